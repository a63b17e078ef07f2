"""The agent of POST /act."""

import asyncio
import json

import numpy as np
import pytest
from aiohttp import web

from icil.harness.agents import make
from icil.harness.policies.act import read_json, write_json
from icil.tasks import ModelError
from icil.tasks import make as make_task

TASK = make_task("cheetah")


def packed(array):
    return json.loads(write_json(array))


@pytest.mark.parametrize(
    "answer",
    [
        packed(np.full(6, 0.25)),
        json.dumps(packed(np.full((1, 6), 0.25, np.float32))),
        [0.25] * 6,
        [[0.25] * 6],
    ],
)
def test_a_vector_comes_back_in_each_of_its_forms(answer, act_server, play):
    server = act_server(lambda message: answer)
    replies = play(make(f"vla/act@{server.url}", {"extra": {"unnorm_key": "bridge"}}), 2)
    assert [json.loads(reply.text) for reply in replies] == [[[0.25] * 6]] * 2
    first = server.messages[0]
    assert first["instruction"] == TASK.instruction
    assert first["unnorm_key"] == "bridge"
    assert read_json(json.dumps(first["image"]).encode()).shape == (224, 224, 3)
    assert len(server.resets) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, b"CUDA out of memory"), "the server answered 500"),
        ((200, b"<html>"), r"not to be understood: no JSON \(.*\); it begins '<html>'"),
        ((200, b""), "it is empty"),
        ((200, b'{"__numpy__": "AAAA", "dtype": "|O", "shape": [1]}'), "not to be understood"),
        ((200, b'{"__numpy__": "AAAA", "dtype": "<f4", "shape": [6]}'), "not to be understood"),
        ("error", "not to be understood"),
        ([0.25] * 5, "shape"),
        ([[0.25] * 6, [0.25] * 5], "no array"),
        ((200, b'{"__numpy__": "", "dtype": "f4,,", "shape": [0]}'), "not to be understood"),
    ],
)
def test_what_is_no_vector_is_a_fault(answer, said, act_server, play):
    server = act_server(lambda message: answer)
    with pytest.raises(ModelError, match=said):
        play(make(f"vla/act@{server.url}"))


def test_an_answer_that_comes_in_pieces_is_whole(dripping, play):
    body = json.dumps([[0.25] * 6] * 400).encode()
    pieces = [body[:1], body[1:700], body[700:]]
    (reply,) = play(make(f"vla/act@{dripping(200, pieces)}"))
    assert json.loads(reply.text) == [[0.25] * 6] * 400


def test_an_answer_without_end_is_a_fault(dripping, play, monkeypatch):
    monkeypatch.setattr("icil.harness.policies.act._LONGEST_ANSWER", 1000)
    with pytest.raises(ModelError, match="longer than 1000 bytes"):
        play(make(f"vla/act@{dripping(200, [b' ' * 900, b' ' * 900])}"))


def test_a_redirect_is_a_fault_and_not_followed(dripping, play):
    with pytest.raises(ModelError, match="answered 302"):
        play(make(f"vla/act@{dripping(302, [b''])}"))


@pytest.fixture
def dripping(loop):
    """Starts a server that answers everything in pieces; returns its address."""
    runners = []

    def start(status, pieces):
        async def answer(request):
            await request.read()
            headers = {"Location": "http://127.0.0.1:9/act"} if status == 302 else {}
            response = web.StreamResponse(status=status, headers=headers)
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
                await asyncio.sleep(0.05)
            return response

        async def up():
            app = web.Application(client_max_size=1 << 26)
            app.router.add_post("/{any:.*}", answer)
            runners.append(web.AppRunner(app))
            await runners[-1].setup()
            site = web.TCPSite(runners[-1], "127.0.0.1", 0)
            await site.start()
            return site._server.sockets[0].getsockname()[1]

        return f"http://127.0.0.1:{loop.run(up())}"

    yield start
    for runner in runners:
        loop.run(runner.cleanup())


def test_a_server_without_reset_will_do(act_server, play):
    server = act_server(lambda message: [0.0] * 6)
    assert play(make(f"vla/act@{server.url}", {"map": "act"}))


def test_the_key_is_a_bearer(act_server, monkeypatch, play):
    monkeypatch.setenv("ICIL_POLICY_API_KEY", "sesame-1234")
    server = act_server(lambda message: [0.0] * 6)
    play(make(f"vla/act@{server.url}"))
    assert server.resets == ["Bearer sesame-1234"]
