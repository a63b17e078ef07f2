"""The agent of POST /act."""

import json

import numpy as np
import pytest

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
        ((200, b"<html>"), "not to be understood"),
        ((200, b'{"__numpy__": "AAAA", "dtype": "|O", "shape": [1]}'), "not to be understood"),
        ((200, b'{"__numpy__": "AAAA", "dtype": "<f4", "shape": [6]}'), "not to be understood"),
        ("error", "not to be understood"),
        ([0.25] * 5, "shape"),
    ],
)
def test_what_is_no_vector_is_a_fault(answer, said, act_server, play):
    server = act_server(lambda message: answer)
    with pytest.raises(ModelError, match=said):
        play(make(f"vla/act@{server.url}"))


def test_a_server_without_reset_will_do(act_server, play):
    server = act_server(lambda message: [0.0] * 6)
    assert play(make(f"vla/act@{server.url}", {"map": "act"}))


def test_the_key_is_a_bearer(act_server, monkeypatch, play):
    monkeypatch.setenv("ICIL_POLICY_API_KEY", "sesame-1234")
    server = act_server(lambda message: [0.0] * 6)
    play(make(f"vla/act@{server.url}"))
    assert server.resets == ["Bearer sesame-1234"]
