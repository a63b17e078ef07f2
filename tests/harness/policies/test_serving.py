"""Agents of ours as openpi policies: spoken to by the real protocol, on loopback."""

import asyncio
import json
import sys
import urllib.request

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from icil.harness import Experiment
from icil.harness.agents import make as make_agent
from icil.harness.planning.offering import offer
from icil.harness.policies import pack, unpack
from icil.harness.policies.serving import PolicyServer, Served
from icil.harness.testing import FakeModel
from icil.prompt_builders import PromptBuilder, PromptOptions, Selection, load_template
from icil.tasks import UsageError, load_pool_for
from icil.tasks import make as make_task

TASK = make_task("cheetah")


def offered(**fields):
    given = {"task": ("cheetah",), "format": ("proprio",), "agent": ("nearest",), "demos": (4,)}
    return offer(Experiment(**{**given, "episodes": 1, **fields}))


def by_model(model, **options):
    """A model that reads prompts, shown two demonstrations."""
    shown = load_pool_for(TASK).demonstrations[:2]
    builder = PromptBuilder(TASK, "proprio", load_template(), PromptOptions(**options))
    selection = Selection(demonstrations=shown, reasons=("first", "second"))
    return Served(
        agent=model,
        name="fake",
        task=TASK,
        format="proprio",
        key="state",
        builder=builder,
        selection=selection,
    )


def talk(served, *messages):
    """Sends messages one after the other; returns the metadata and the answers."""

    async def go():
        async with PolicyServer(served) as server, connect(server.url, max_size=None) as client:
            found = [unpack(await client.recv())]
            for message in messages:
                raw = isinstance(message, bytes)
                await client.send(message if raw else pack(message))
                answer = await client.recv()
                found.append(answer if isinstance(answer, str) else unpack(answer))
            return found

    return asyncio.run(go())


STATE = {"state": np.zeros(17, np.float32), "prompt": "run"}


def test_what_is_served_is_told_and_an_observation_is_answered():
    served = offered()
    metadata, answer = talk(served, STATE)
    assert metadata["model"] == "nearest"
    assert metadata["observation_key"] == "state"
    assert len(metadata["demonstrations_hash"]) == 32
    assert answer["actions"].shape == (1, 6)
    assert answer["status"] == "ok"
    shown = {step.action for one in served.selection.demonstrations for step in one.steps}
    assert answer["said"] in shown


def test_a_model_sees_demonstrations_past_and_present():
    prompts = []

    def answer(turn):
        prompts.append(turn.prompt.text())
        return json.dumps([len(prompts) / 10] * 6)

    _, first, second = talk(by_model(FakeModel(answer)), STATE, {"state": np.ones(17)})
    assert first["actions"] == pytest.approx(np.full((1, 6), 0.1))
    assert second["actions"] == pytest.approx(np.full((1, 6), 0.2))
    assert load_pool_for(TASK).demonstrations[0].steps[0].action in prompts[0]
    assert "[0.1, 0.1, 0.1, 0.1, 0.1, 0.1]" in prompts[1]
    assert prompts[1].count("position [1.0, 1.0") == 1


def test_what_a_model_says_wrongly_is_replaced_and_told():
    _, answer = talk(by_model(FakeModel("run!")), STATE)
    assert (answer["status"], answer["said"]) == ("invalid", "run!")
    assert (np.abs(answer["actions"]) <= 1).all()


def test_a_reset_begins_anew():
    prompts = []

    def answer(turn):
        prompts.append((turn.step, turn.prompt.text()))
        return "[0, 0, 0, 0, 0, 0]"

    _, _, reset, _ = talk(by_model(FakeModel(answer)), STATE, {"endpoint": "reset"}, STATE)
    assert reset == "reset"
    assert [step for step, _ in prompts] == [0, 0]
    assert prompts[0][1] == prompts[1][1]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"position": np.zeros(17)}, "holds no 'state'"),
        ({"state": np.zeros(5)}, "17 numbers"),
        ({"state": "fast"}, "ValueError"),
        ({"state": {"position": 1}}, "TypeError"),
        ([1, 2], "is a map"),
        (b"\xc1", "CodecError"),
    ],
)
def test_a_wrong_observation_is_told_in_a_text(message, said):
    _, answer = talk(offered(), message)
    assert isinstance(answer, str)
    assert said in answer


def test_frames_in_either_layout_are_seen():
    served = offered(format=("rgb",), demos=(1,))
    frame = np.zeros((64, 64, 3), np.uint8)
    _, first, second = talk(served, {"image": frame}, {"image": frame.transpose(2, 0, 1) / 255})
    assert first["said"] == second["said"]


def test_our_own_client_plays_with_our_own_server(tmp_path, play):
    path = tmp_path / "map.yaml"
    path.write_text("{observation: {state: proprio}}")
    served = offered()

    async def go():
        async with PolicyServer(served) as server:
            health = server.url.replace("ws", "http") + "/healthz"
            assert await asyncio.to_thread(lambda: urllib.request.urlopen(health).read()) == b"OK\n"
            agent = make_agent(f"vla/openpi@{server.url}", {"map": str(path)})
            replies = await asyncio.to_thread(play, agent, 3)
            return replies, server.requests

    replies, requests = asyncio.run(go())
    assert requests == 3
    assert replies[0].model == "nearest"
    assert np.shape(json.loads(replies[0].text)) == (1, 6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task": ("gridworld",), "format": ("coords",)}, "words; only vectors"),
        ({"agent": ("expert",)}, "looks at no observation"),
        ({"agent": ("nearst",)}, "did you mean 'nearest'"),
        ({"task": ("cheetahs",)}, "did you mean 'cheetah'"),
    ],
)
def test_what_cannot_be_served(fields, said):
    with pytest.raises(UsageError, match=said):
        offered(**fields)


STRANGERS = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /act HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    b"hello\r\n\r\n",
    b"",
)


def test_those_who_speak_no_websocket_are_no_traceback(caplog):
    async def go():
        async with PolicyServer(offered()) as server:
            port = int(server.url.rpartition(":")[2])
            for said in STRANGERS:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(said)
                writer.write_eof()
                await reader.read()
                writer.close()
            async with connect(server.url) as client:
                return unpack(await client.recv())

    assert asyncio.run(go())["model"] == "nearest"
    assert not [one for one in caplog.records if one.levelname in ("ERROR", "CRITICAL")]


def test_a_fault_of_ours_is_still_written(caplog):
    class Wrong(FakeModel):
        async def begin(self, episode):
            raise KeyError("a slip")

    async def go():
        async with PolicyServer(by_model(Wrong("x"))) as server, connect(server.url) as client:
            await client.recv()
            await client.send(pack(STATE))
            with pytest.raises(ConnectionClosed):
                await client.recv()

    asyncio.run(go())
    assert "a slip" in caplog.text


def test_without_websockets_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(UsageError, match=r"icil serve needs .*pip install 'icil\[vla\]'"):
        offered()


def test_a_port_that_is_taken():
    async def go():
        async with PolicyServer(offered()) as server:
            port = int(server.url.rpartition(":")[2])
            with pytest.raises(UsageError, match="cannot serve at"):
                async with PolicyServer(offered(), port=port):
                    pass

    asyncio.run(go())
