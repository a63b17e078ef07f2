"""Recordings: episodes that others recorded, played again in our own environments.

`play` makes a demonstration of one. It compares what was recorded with what our world does, as
far as the recording tells, so that what it returns is true: the states, rewards and end are our
own, and the trace replays. Where they differ there is no demonstration, but an `UntrueError`.
"""

from abc import ABC, abstractmethod
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from icil.tasks.demonstrations import Demonstration, Step, check_reward, state_digest
from icil.tasks.errors import PoolError, UsageError
from icil.tasks.openings import Opening
from icil.tasks.task import Task, Transition

TOLERANCE = 1e-3
"""By how much a number may differ from the recorded one, absolutely and relatively.

Physics differ in their last digits from one processor and version to the next. A cheetah whose
start is rounded to float32 is off by up to 4e-5 within 100 steps; one with a motor turned the
other way by 0.08 or more after the first.
"""


class UntrueError(PoolError):
    """Our world does not do what was recorded; the message begins with the step."""


class Recording(ABC):
    """An episode that others recorded."""

    id: str
    """Unique among those of its source."""
    length: int
    """How many actions it has; at least 1."""

    @abstractmethod
    def opening(self) -> Opening:
        """Returns where it starts.

        Raises:
            UntrueError: The recording does not tell.
        """

    @abstractmethod
    def action(self, step: int, env: Any) -> str:
        """Returns an action, in the task's action language.

        Raises:
            UntrueError: It is no action of the task.
        """

    def make_env(self, task: Task[Any]) -> Any:
        """Returns the environment that it is played in."""
        return task.make_env()

    @abstractmethod
    def compare(self, step: int, env: Any) -> None:
        """Compares the present state with the one recorded before an action.

        Raises:
            UntrueError: They differ.
        """

    def outcome(self, step: int, env: Any, value: Any) -> Any:
        """Returns what the world answered to an action, for `Task.step`.

        Args:
            step: The number of the action.
            env: The environment, in which the action is not played yet.
            value: The action as the environment takes it.

        Raises:
            UntrueError: The recording does not tell, or tells what cannot be.
        """
        return None

    def judge(self, step: int, env: Any, done: Transition) -> None:  # noqa: B027 - may tell nothing
        """Compares what our world answered to an action with what was recorded.

        Raises:
            UntrueError: They differ.
        """


class Played(NamedTuple):
    """What became of a recording."""

    demonstration: Demonstration
    beyond: int
    """How many actions were left out because they are beyond the task's horizon."""


def play(task: Task[Any], recording: Recording) -> Played:
    """Plays a recording.

    Raises:
        UntrueError: Our world does not do what was recorded.
    """
    opening = recording.opening()
    steps: list[Step] = []
    with closing(recording.make_env(task)) as env:
        try:
            task.reset(env, opening)
        except UsageError as error:
            raise UntrueError(f"its opening: {error}") from error
        for number in range(recording.length):
            step, done = _step(task, env, recording, number)
            steps.append(step)
            if done.terminated or done.truncated:
                break
    beyond = recording.length - len(steps)
    if beyond and done.terminated:
        raise UntrueError(f"step {len(steps) - 1}: that ends the episode, but {beyond} more follow")
    if not (done.terminated or done.truncated):
        raise UntrueError(f"step {len(steps) - 1}: that is the last, but the episode is not over")
    demonstration = Demonstration(
        id=recording.id, opening=opening, steps=tuple(steps), terminated=done.terminated
    )
    return Played(demonstration, beyond)


def _step(task: Task[Any], env: Any, recording: Recording, number: int) -> tuple[Step, Transition]:
    recording.compare(number, env)
    state = state_digest(task, env)
    parsed = task.parse(task.express(recording.action(number, env), env), env)
    if parsed.action is None:
        raise UntrueError(f"step {number}: {parsed.reason}")
    outcome = recording.outcome(number, env, parsed.value)
    try:
        done = task.step(env, parsed.value, outcome)
    except PoolError as error:
        raise UntrueError(f"step {number}: {error}") from error
    recording.judge(number, env, done)
    check_reward(task, done)
    step = Step(state=state, action=parsed.action, reward=done.reward, outcome=done.outcome)
    return step, done


def close(ours: Any, recorded: Any) -> bool:
    """Returns whether two numbers or arrays agree within `TOLERANCE`."""
    one, other = np.asarray(ours, np.float64), np.asarray(recorded, np.float64)
    return one.shape == other.shape and np.allclose(
        one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
    )
