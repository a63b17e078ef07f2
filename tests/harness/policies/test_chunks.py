"""Checking chunks, and playing them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from icil.harness.playing.chunks import Chunks
from icil.harness.policies import ChunkError, ChunkExecutor, Execution, Mapped, check_chunk
from icil.harness.policies.agent import _reply
from icil.harness.policies.map_file import Actions
from icil.harness.policies.wire import Answered
from icil.tasks import ActionBox, ExperimentError

BOX = ActionBox(np.array([-1.0, 0.0]), np.array([1.0, 512.0]))


def test_a_chunk_is_taken_and_brought_to_its_bounds():
    found = check_chunk(np.array([[1.004, 256], [-1, -2]], np.float32), BOX, tolerance=0.01)
    assert found.dtype == np.float64
    assert found == pytest.approx(np.array([[1.0, 256.0], [-1.0, 0.0]]))


def test_a_single_action_is_a_chunk_of_one_step():
    assert check_chunk([0, 1], BOX, tolerance=0).shape == (1, 2)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (np.zeros((3, 3)), "shape"),
        (np.zeros((0, 2)), "shape"),
        (np.zeros((1, 2, 2)), "shape"),
        (np.float64(1.0), "shape"),
        ([[0, np.nan]], "number 2 of step 0 is nan"),
        ([[0, 0], [-np.inf, 0]], "number 1 of step 1 is -inf"),
        ([[0, 700]], r"number 2 of step 0 is 700, outside \[0, 512\]"),
        ("text", "not numbers"),
        (None, "not numbers"),
        ([[True, False]], "not numbers"),
        ([[1, 2], [3]], "array|numbers"),
        (np.zeros((20_000, 2)), "shape"),
    ],
)
def test_what_is_no_chunk_is_refused(answer, said):
    with pytest.raises(ChunkError, match=said):
        check_chunk(answer, BOX, tolerance=0.05)


def test_actions_without_bounds_are_all_taken():
    box = ActionBox(np.full(1, -np.inf), np.full(1, np.inf))
    assert check_chunk([[1e300]], box, tolerance=0.0)[0, 0] == 1e300


def play(execution, chunks, steps):
    """Plays; `chunks(step)` answers. Returns the actions, and the steps that were asked at."""
    executor, asked, actions = ChunkExecutor(Execution.read(execution)), [], []
    for step in range(steps):
        if executor.wants(step):
            asked.append(step)
            executor.take(step, np.asarray(chunks(step), float))
        actions.append(executor.action(step).tolist())
    return actions, asked


def counting(length):
    """Chunks whose first number is the step they are for, and whose second is when they came."""
    return lambda step: [[step + i, step] for i in range(length)]


def test_a_whole_chunk_is_played():
    actions, asked = play("open_loop", counting(4), 10)
    assert asked == [0, 4, 8]
    assert [a[0] for a in actions] == list(range(10))


def test_the_beginning_of_each_chunk_is_played():
    actions, asked = play("open_loop:3", counting(8), 8)
    assert asked == [0, 3, 6]
    assert [a[1] for a in actions] == [0, 0, 0, 3, 3, 3, 6, 6]


def test_a_chunk_shorter_than_what_is_to_be_played_ends_early():
    assert play("open_loop:9", counting(2), 5)[1] == [0, 2, 4]


def test_each_step_is_asked_for():
    actions, asked = play("receding", counting(8), 4)
    assert asked == [0, 1, 2, 3]
    assert [a[1] for a in actions] == [0, 1, 2, 3]


def test_the_ensemble_is_the_weighted_mean_of_all_that_chunks_have_for_a_step():
    k = 0.5
    actions, asked = play(f"ensemble:{k}", lambda step: [[step * 10.0]] * 3, 6)
    assert asked == list(range(6))
    for step, (action,) in enumerate(actions):
        begun = np.arange(max(0, step - 2), step + 1)  # chunks of three steps, the oldest first
        weights = np.exp(-k * np.arange(len(begun)))
        assert action == pytest.approx((weights * begun * 10).sum() / weights.sum())


def test_chunks_of_changing_lengths_are_averaged_where_they_reach():
    lengths = {0: 4, 1: 1, 2: 2}
    actions, _ = play("ensemble:0", lambda step: [[float(step)]] * lengths.get(step, 1), 4)
    assert [a[0] for a in actions] == pytest.approx([0, 0.5, 1.0, (0 + 2 + 3) / 3])


@pytest.mark.parametrize("text", ["open_loop", "open_loop:5", "receding", "ensemble:0.05"])
def test_an_execution_is_what_it_says(text):
    assert str(Execution.read(text)) == text


@pytest.mark.parametrize("text", ["", "often", "open_loop:0", "open_loop:1.5", "receding:2", "x:1"])
def test_no_execution(text):
    with pytest.raises(ExperimentError, match="expected open_loop"):
        Execution.read(text)


def test_a_bound_that_has_more_digits_than_are_kept_can_be_played():
    box = ActionBox(np.array([0.1 + 1e-12, -1.0]), np.array([2 * np.pi, 1.0]))
    task = SimpleNamespace(action_box=box, word=lambda vector: str(vector.tolist()))
    talk = SimpleNamespace(mapped=Mapped(task, box, {}, Actions()), metadata={})
    answered = Answered(content={"actions": np.array([[0.1, -1.0], [6.3, 1.0]])})
    reply = _reply(talk, answered, {}, 0.1, tolerance=0.01)
    assert json.loads(reply.text) == [[0.1 + 1e-12, -1.0], [2 * np.pi, 1.0]]
    chunks = Chunks(task, Execution())
    assert chunks.said(0, reply.text) == str([0.1 + 1e-12, -1.0])
    assert chunks.said(1, "") == str([2 * np.pi, 1.0])
