"""What policies are given of a task: views, proprioception, instructions, actions as vectors."""

import numpy as np
import pytest

from icil.tasks import UnknownNameError, UsageError, make
from icil.tasks.relabelled import relabel


def started(task):
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[0])
    return env


@pytest.mark.parametrize("name", ["gridworld", "tic_tac_toe", "chess", "crossword", "cheetah"])
def test_every_task_has_an_instruction(name):
    assert make(name).instruction.endswith(".")


def test_a_view_is_what_the_image_format_shows():
    task = make("gridworld")
    env = started(task)
    assert task.views == ("rgb",)
    assert np.array_equal(task.frame(env, "rgb"), task.observe(env, "rgb").image)
    with pytest.raises(UnknownNameError, match="camera for gridworld"):
        task.frame(env, "wrist")


def test_a_body_knows_its_numbers_and_a_board_has_none():
    cheetah, board = make("cheetah"), make("tic_tac_toe")
    env = started(cheetah)
    assert np.array_equal(cheetah.proprio(env), env.state)
    assert board.proprio(started(board)) is None
    assert board.action_box is None
    with pytest.raises(UsageError, match="words, not vectors"):
        board.word(np.zeros(6))


@pytest.mark.parametrize("name", ["cheetah", "gym:Pendulum-v1"])
def test_a_vector_is_the_action_that_it_says(name):
    task = make(name)
    env, box = started(task), task.action_box
    for vector in (box.low, box.high, (box.low + box.high) / 3):
        parsed = task.parse(task.word(vector), env)
        assert parsed.status == "ok"
        assert np.allclose(parsed.value, vector)
    beyond = task.parse(task.word(box.high + 1), env)
    assert np.allclose(beyond.value, box.high)
    assert box.dimension == len(box.high)


def test_actions_that_are_names_are_no_vectors():
    task = make("gym:CartPole-v1")
    assert task.action_box is None
    with pytest.raises(UsageError):
        task.word(np.zeros(1))


def test_a_task_under_other_names_is_seen_as_before():
    task = make("gridworld")
    other, env = relabel(task, 0), started(task)
    assert other.instruction == task.instruction
    assert np.array_equal(other.frame(env, "rgb"), task.frame(env, "rgb"))
    coords = other.proprio(env)
    assert (coords is None) == (task.proprio(env) is None)
