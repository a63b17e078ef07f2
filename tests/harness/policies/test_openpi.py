"""The agent of openpi's protocol, against servers that behave and servers that do not."""

import asyncio
import json

import numpy as np
import pytest

from icil.harness.agents import make
from icil.harness.models.asking.trouble import listening
from icil.harness.policies import pack
from icil.tasks import ModelError, UsageError, load_pool_for
from icil.tasks import make as make_task
from icil.tasks.demonstrations import windows

TASK = make_task("cheetah")
MAP = "{observation: {state: proprio, prompt: instruction}}"


@pytest.fixture
def state_map(tmp_path):
    path = tmp_path / "state.yaml"
    path.write_text(MAP)
    return str(path)


def agent_of(server, map, **settings):
    return make(f"vla/openpi@{server.url}", {"map": map, **settings})


def constant(steps=3, **more):
    return lambda message, count: {"actions": np.full((steps, 6), 0.5, np.float32), **more}


def test_an_observation_is_sent_and_a_chunk_comes_back(openpi_server, state_map, play):
    timing = {"policy_timing": {"infer_ms": 12.5}, "server_timing": {"infer_ms": np.float64(13)}}
    server = openpi_server(constant(**timing), {"model": "pi0"})
    (reply,) = play(agent_of(server, state_map))
    (message,) = server.messages
    env = TASK.make_env()
    TASK.reset(env, TASK.openings("evaluation")[0])
    assert message["state"] == pytest.approx(env.state.astype(np.float32))
    assert message["prompt"] == TASK.instruction
    assert json.loads(reply.text) == [[0.5] * 6] * 3
    assert reply.model == "pi0"
    assert reply.usage.latency_s > 0
    assert reply.parameters == {"steps": 3, "policy_ms": 12.5, "server_ms": 13.0}


def test_an_episode_is_one_conversation(openpi_server, state_map, play):
    server = openpi_server(constant())
    agent = agent_of(server, state_map)
    play(agent, 4)
    assert (server.connections, len(server.messages)) == (1, 4)


def test_frames_are_arrays(openpi_server, tmp_path, play):
    path = tmp_path / "map.yaml"
    path.write_text("{observation: {observation/image: frame}, image: {size: 64}}")
    server = openpi_server(constant())
    (reply,) = play(agent_of(server, str(path)))
    (message,) = server.messages
    assert message["observation/image"].shape == (64, 64, 3)
    assert message["observation/image"].std() > 1
    assert reply.usage.images == 1


def test_roboarena_names_the_session_and_is_reset(openpi_server, state_map, play):
    def answer(message, count):
        return "reset done" if message["endpoint"] == "reset" else constant()(message, count)

    server = openpi_server(answer)
    play(agent_of(server, state_map, dialect="roboarena"), 2)
    assert [m["endpoint"] for m in server.messages] == ["reset", "infer", "infer"]
    assert len({m["session_id"] for m in server.messages}) == 1


def test_vllm_omni_answers_a_bare_array_at_its_own_path(openpi_server, tmp_path, play):
    path = tmp_path / "map.yaml"
    path.write_text("{observation: {state: proprio}, actions: {key: null}}")
    server = openpi_server(lambda m, n: np.zeros((2, 6)))
    (reply,) = play(agent_of(server, str(path), dialect="vllm_omni"))
    assert server.paths == ["/v1/realtime/robot/openpi"]
    assert len(json.loads(reply.text)) == 2


def test_ricl_queries_and_tells_its_demonstrations(openpi_server, state_map, play):
    server = openpi_server(constant(), {"demonstrations_hash": "abc123"})
    agent = agent_of(server, state_map, dialect="ricl", demonstrations="server")
    (reply,) = play(agent)
    assert set(server.messages[0]) == {"query_state", "query_prompt"}
    assert reply.parameters["demonstrations_hash"] == "abc123"


def test_demonstrations_are_sent_once_an_episode(openpi_server, tmp_path, play):
    path = tmp_path / "map.yaml"
    path.write_text("{observation: {image: frame, state: proprio}, image: {size: 32}}")

    def answer(message, count):
        return {"taken": 2} if "demonstrations" in message else constant()(message, count)

    server = openpi_server(answer, {"demonstrations": "trajectory"})
    whole = load_pool_for(TASK).demonstrations[0]
    shown = windows(whole, 5)[1:3]
    play(agent_of(server, str(path), demonstrations="trajectory"), 2, shown)
    first, *rest = server.messages
    assert first["endpoint"] == "demonstrations"
    assert len(rest) == 2
    assert [len(d["observations"]) for d in first["demonstrations"]] == [5, 5]
    one = first["demonstrations"][0]
    assert one["actions"].shape == (5, 6)
    assert one["actions"][0] == pytest.approx(json.loads(whole.steps[5].action), abs=1e-6)
    assert one["observations"][0]["image"]["png"].startswith(b"\x89PNG")
    assert one["observations"][4]["state"].shape == (17,)


def test_a_server_that_takes_no_demonstrations_stops_the_agent(openpi_server, state_map, play):
    server = openpi_server(constant())
    shown = load_pool_for(TASK).demonstrations[:1]
    with pytest.raises(ModelError, match="whose metadata says so") as found:
        play(agent_of(server, state_map, demonstrations="trajectory"), 1, shown)
    assert found.value.fault == "fatal"
    with pytest.raises(ModelError, match="demonstrations_hash"):
        play(agent_of(server, state_map, demonstrations="server"))


def test_a_broken_connection_is_opened_again(openpi_server, state_map, play):
    server = openpi_server(lambda m, n: None if n == 2 else constant()(m, n))
    replies = play(agent_of(server, state_map), 3)
    assert len(replies) == 3
    assert server.connections == 2
    assert len(server.messages) == 4


def test_a_server_that_keeps_a_state_is_not_asked_again(openpi_server, state_map, play):
    server = openpi_server(lambda m, n: None if n == 2 else constant()(m, n))
    agent = agent_of(server, state_map, stateful=True)
    assert agent.capabilities.stateful
    with pytest.raises(ModelError) as found:
        play(agent, 3)
    assert found.value.fault == "unavailable"
    assert server.connections == 1


def test_a_traceback_is_a_fault_and_only_its_last_line_is_told(openpi_server, state_map, play):
    text = "Traceback (most recent call last):\n  File secret.py\nValueError: bad \x1b[31mstate"
    server = openpi_server(lambda m, n: constant()(m, n) if n == 1 else text)
    with pytest.raises(ModelError, match=r"ValueError: bad .\[31mstate") as found:
        play(agent_of(server, state_map), 2)
    assert "secret.py" not in str(found.value)
    assert found.value.fault == "unavailable"


def test_an_answer_that_takes_too_long_is_asked_for_anew(openpi_server, state_map, play):
    server = openpi_server(lambda m, n: (5.0, {}) if n == 2 else constant()(m, n))
    replies = play(agent_of(server, state_map, timeout_s=0.5), 2)
    assert len(replies) == 2
    assert server.connections == 2


def test_the_first_answer_may_take_longer(openpi_server, state_map, play):
    server = openpi_server(lambda m, n: (1.0, constant()(m, n)) if n == 1 else constant()(m, n))
    assert len(play(agent_of(server, state_map, timeout_s=0.25), 2)) == 2
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"actions": np.full((2, 6), np.nan)}, "number 1 of step 0 is nan"),
        ({"actions": np.zeros((2, 5))}, "shape"),
        ({"actions": np.full((2, 6), 3.0)}, "outside"),
        ({"action": np.zeros((2, 6))}, "holds no 'actions'"),
        ({"actions": "up"}, "not numbers"),
        ({"actions": [[0.0] * 6, [0.0]]}, "no array"),
        ({"actions": 0.5}, "shape"),
        ({}, "holds no 'actions'"),
        ([1, 2], "holds no 'actions'"),
    ],
)
def test_what_cannot_be_played_is_a_fault(answer, said, openpi_server, state_map, play):
    server = openpi_server(lambda m, n: answer)
    with pytest.raises(ModelError, match=said) as found:
        play(agent_of(server, state_map))
    assert found.value.fault == "rejected"


def test_a_single_number_where_columns_are_read_is_a_fault(openpi_server, tmp_path, play):
    path = tmp_path / "map.yaml"
    path.write_text("{observation: {state: proprio}, actions: {columns: [0, 6]}}")
    server = openpi_server(lambda m, n: {"actions": 0.5})
    with pytest.raises(ModelError, match="cannot be played"):
        play(agent_of(server, str(path)))


def test_metadata_may_hold_anything(openpi_server, state_map, play):
    odd = np.zeros(3)
    metadata = {"model": odd, "demonstrations": odd, "demonstrations_hash": odd}
    server = openpi_server(constant(), metadata)
    (reply,) = play(agent_of(server, state_map))
    assert reply.model is None
    assert "demonstrations_hash" not in reply.parameters
    with pytest.raises(ModelError, match="holds a demonstrations_hash"):
        play(agent_of(server, state_map, demonstrations="server"))
    with pytest.raises(ModelError, match="says so"):
        play(agent_of(server, state_map, demonstrations="trajectory"))


def test_demonstrations_are_sent_again_on_a_new_connection(openpi_server, state_map, play):
    def answer(message, count):
        if "demonstrations" in message:
            return {"taken": 1}
        return None if count == 3 else constant()(message, count)

    server = openpi_server(answer, {"demonstrations": "trajectory"})
    shown = load_pool_for(TASK).demonstrations[:1]
    play(agent_of(server, state_map, demonstrations="trajectory"), 2, shown)
    kinds = ["demonstrations" in message for message in server.messages]
    assert kinds == [True, False, False, True, False]


def test_a_late_answer_is_not_taken_for_that_to_the_next_question(openpi_server, state_map, play):
    late = {"actions": np.full((1, 6), 0.9)}
    server = openpi_server(lambda m, n: (0.4, late) if n == 2 else constant()(m, n))
    replies = play(agent_of(server, state_map, timeout_s=0.2), 3)
    assert all("0.9" not in reply.text for reply in replies)


def test_a_server_that_reads_nothing_is_a_fault(websocket, tmp_path, play, monkeypatch):
    monkeypatch.setattr("icil.harness.policies.asking._TRIES", 1)

    async def deaf(connection):
        await connection.send(pack({}))
        connection.transport.pause_reading()
        await asyncio.sleep(5)
        connection.transport.abort()

    path = tmp_path / "map.yaml"
    path.write_text("{observation: {image: frame}, image: {size: 2048}}")  # no buffer holds it
    limits = {"timeout_s": 0.3, "first_timeout_s": 0.3}
    with pytest.raises(ModelError, match="did not take the message"):
        play(make(f"vla/openpi@{websocket(deaf)}", {"map": str(path), **limits}))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\xc1", "no msgpack: .*it begins '.'"),
        (b"", "it is empty"),
        (pack({"a": 1})[:-1], r"it begins '\S+a'"),
        (b"<html>" + b" " * 99, "it begins '<html> +'…"),
    ],
)
def test_rubbish_is_a_fault(answer, said, openpi_server, state_map, play):
    server = openpi_server(lambda m, n: constant()(m, n) if n == 1 else answer)
    with pytest.raises(ModelError, match=f"not to be understood: .*{said}"):
        play(agent_of(server, state_map), 2)


@pytest.fixture
def told():
    """What is told of trouble."""
    heard = []
    with listening(heard.append):
        yield heard


@pytest.mark.parametrize("name", ["vla/openpi@ws://{}:9", "vla/act@http://{}:9"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_there_stops_the_agent(name, host, state_map, play, told):
    name = name.format(host)
    where = name.partition("@")[2]
    with pytest.raises(ModelError) as found:
        play(make(name, {"map": state_map}))
    assert str(found.value) == f"nobody answers at {where}: connection refused, 5 times in a row"
    assert found.value.fault == "fatal"
    *again, last = told
    assert [one.what.partition("; ")[0] for one in again] == ["connection refused"] * 4
    assert "trying again in 0.01 s (2 of 5)" in again[0].what
    assert {one.model for one in told} == {name}
    assert (last.what, last.ended) == (f"stopped: {found.value}", True)


def test_a_text_in_place_of_a_chunk_is_no_silence(openpi_server, state_map, play, told):
    server = openpi_server(lambda message, count: "hello")
    with pytest.raises(ModelError) as found:
        play(agent_of(server, state_map))
    assert str(found.value) == (
        f"the server at {server.url} has answered no observation, 5 times in a row; the last time: "
        "the policy failed: hello"
    )
    assert told[0].what == "the policy failed: hello; trying again in 0.01 s (2 of 5)"


def test_what_is_retried_is_told_until_it_is_answered(openpi_server, state_map, play, told):
    server = openpi_server(lambda m, n: "busy" if n == 2 else constant()(m, n))
    play(agent_of(server, state_map), 2)
    assert [one.what and one.what.partition(";")[0] for one in told] == [
        None,
        "the policy failed: busy",
        None,
    ]


def test_a_server_that_is_silent_is_told_of_before_it_is_given_up(
    openpi_server, state_map, play, told, monkeypatch
):
    monkeypatch.setattr("icil.harness.policies.asking._SLOW_S", 0.2)
    server = openpi_server(lambda m, n: (1.0, constant()(m, n)))
    play(agent_of(server, state_map))
    assert [one.what for one in told] == ["no answer for 0.2 s; it may take 600 s", None]


def test_a_connection_that_is_closed_is_told_with_the_servers_reason(websocket, state_map, play):
    async def refuse(connection):
        await connection.send(pack({}))
        await connection.recv()
        await connection.close(1011, "no GPU is left")

    with pytest.raises(ModelError, match="closed the connection with 1011: no GPU is left"):
        play(make(f"vla/openpi@{websocket(refuse)}", {"map": state_map}))


def test_what_speaks_another_protocol_is_told(act_server, state_map, play):
    server = act_server(lambda message: [0.0] * 6)
    with pytest.raises(ModelError, match="refuses the connection with status 404"):
        play(make(f"vla/openpi@{server.url.replace('http', 'ws')}", {"map": state_map}))


def test_metadata_that_is_no_map_is_told(websocket, state_map, play):
    async def greet(connection):
        await connection.send("welcome!")

    with pytest.raises(ModelError, match="metadata is 'welcome!', not a map"):
        play(make(f"vla/openpi@{websocket(greet)}", {"map": state_map}))


def test_a_key_is_sent_and_shown_nowhere(openpi_server, state_map, monkeypatch, play):
    monkeypatch.setenv("ICIL_POLICY_API_KEY", "sesame-1234")
    server = openpi_server(constant())
    agent = agent_of(server, state_map)
    (reply,) = play(agent)
    assert server.headers[0]["Authorization"] == "Api-Key sesame-1234"
    assert "sesame" not in json.dumps(dict(agent.settings)) + repr(reply)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("vla/openpi@http://x:1", {}, "expected vla/openpi@ws"),
        ("vla/openpi@ws://", {}, "expected vla/openpi@ws"),
        ("vla/openpi@ws://x:99999", {}, "expected vla/openpi@ws"),
        ("vla/openpi@ws://me:secret@x:1", {}, "set ICIL_POLICY_API_KEY instead"),
        ("vla/act@http://x:1?key=secret", {}, "set ICIL_POLICY_API_KEY instead"),
        ("vla/act@ws://x:1", {}, "expected vla/act@http"),
        ("vla/openpi@ws://x:1", {"map": "nothing"}, "map: expected"),
        ("vla/openpi@ws://x:1", {"execution": "quickly"}, "execution: expected"),
        ("vla/openpi@ws://x:1", {"dialect": "klingon"}, "dialect of a policy: expected openpi"),
        ("vla/openpi@ws://x:1", {"demonstrations": "all"}, "demonstrations of a policy"),
        ("vla/openpi@ws://x:1", {"timeout_s": 0}, "timeout_s of a policy"),
        ("vla/openpi@ws://x:1", {"tolerance": "none"}, "tolerance of a policy"),
        ("vla/openpi@ws://x:1", {"stateful": 1}, "stateful of a policy"),
        ("vla/act@http://x:1", {"extra": [1]}, "extra of a policy"),
        ("vla/openpi@ws://x:1", {"mop": "x"}, "did you mean 'map'"),
    ],
)
def test_wrong_names_and_settings(name, settings, said):
    with pytest.raises(UsageError, match=said):
        make(name, settings)


def test_it_plays_only_what_takes_vectors(state_map):
    agent = make("vla/openpi@ws://127.0.0.1:9", {"map": state_map})
    agent.check_task(TASK)
    with pytest.raises(UsageError, match="words for actions"):
        agent.check_task(make_task("gridworld"))
    assert agent.capabilities.formatless
    assert not agent.capabilities.blind
