"""Demonstrations: an expert's episodes as compact traces, rendered in any format when asked.

A trace holds the opening, the actions, and what cannot be simulated again; the observations
come from playing it once more. The digest of each state it passes through is kept too: it
tells whether a re-simulation is true, and whether an evaluation opening was demonstrated.
"""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from icil.tasks.errors import ContractError, PoolError
from icil.tasks.observation import Observation
from icil.tasks.openings import Opening
from icil.tasks.players import GENERATORS, Player, make_player
from icil.tasks.seeding import digest
from icil.tasks.task import Task, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an episode."""

    state: str
    """The digest of the state in which the action was taken; see `state_digest`."""
    action: str
    """In the task's action language."""
    reward: float
    outcome: Any = None
    """What the world did that cannot be simulated again; JSON, None where there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """An expert's episode."""

    id: str
    """Unique in its pool."""
    opening: Opening
    steps: tuple[Step, ...]
    terminated: bool
    """Whether the world ended the episode, rather than the horizon."""

    @property
    def total(self) -> float:
        """The return: the sum of the rewards."""
        return sum(step.reward for step in self.steps)

    @property
    def states(self) -> frozenset[str]:
        """The digests of the states that it passes through, its opening's among them."""
        return frozenset(step.state for step in self.steps)


def state_digest(task: Task[Any], env: Any) -> str:
    """Returns 16 hexadecimal digits that stand for an environment's present state."""
    return digest(task.state_key(env), size=8).hex()


def demonstrate(
    task: Task[Any], opening: Opening, id: str, player: Player = "expert"
) -> Demonstration:
    """Lets the task's expert, or the random player, play an episode.

    Raises:
        ContractError: The expert did something illegal, or the episode outlasts the horizon.
    """
    steps: list[Step] = []
    done: Transition | None = None
    draws = GENERATORS[player]
    with closing(make_player(task, player)) as expert, closing(task.make_env()) as env:
        task.reset(env, opening)
        expert.begin(env)
        while done is None or not (done.terminated or done.truncated):
            if len(steps) == task.horizon:
                raise ContractError(
                    f"{task.name} did not end at its horizon of {task.horizon} steps"
                )
            state = state_digest(task, env)
            said = expert.act(env, draws(task, opening, len(steps)))
            parsed = task.parse(said, env)
            if parsed.action is None:
                raise ContractError(f"the expert of {task.name} answered {said!r}: {parsed.reason}")
            done = task.step(env, parsed.value)
            check_reward(task, done)
            steps.append(
                Step(state=state, action=parsed.action, reward=done.reward, outcome=done.outcome)
            )
    return Demonstration(id=id, opening=opening, steps=tuple(steps), terminated=done.terminated)


def check_reward(task: Task[Any], done: Transition) -> None:
    """Checks that a reward is a number that can be added up.

    Raises:
        ContractError: It is infinite or not a number.
    """
    if not math.isfinite(done.reward):
        raise ContractError(f"{task.name} gave a reward of {done.reward}")


class Shown(NamedTuple):
    """A step of a demonstration as it is shown."""

    observation: Observation
    action: str
    """In the task's wording."""


def render(task: Task[Any], demonstration: Demonstration, format: str) -> Iterator[Shown]:
    """Plays a demonstration again and yields what was seen before each action, and the action.

    Raises:
        PoolError: The world does not do again what the trace says it did.
    """
    with closing(replay(task, demonstration)) as steps:
        for env, action in steps:
            yield Shown(task.observe(env, format), action)


def replay(task: Task[Any], demonstration: Demonstration) -> Generator[tuple[Any, str], None, None]:
    """Plays a demonstration again and yields, before each action, the environment and the action.

    Raises:
        PoolError: The world does not do again what the trace says it did.
    """
    last = len(demonstration.steps) - 1
    with closing(task.make_env()) as env:
        task.reset(env, demonstration.opening)
        for number, step in enumerate(demonstration.steps):
            if state_digest(task, env) != step.state:
                raise PoolError(_untrue(task, demonstration, number, "the state differs"))
            action = task.express(step.action, env)
            yield env, action
            parsed = task.parse(action, env)
            if parsed.status != "ok":
                raise PoolError(_untrue(task, demonstration, number, str(parsed.reason)))
            done = task.step(env, parsed.value, step.outcome)
            if not abs(done.reward - step.reward) <= 1e-6 * max(1.0, abs(step.reward)):
                what = f"reward {done.reward}, not {step.reward}"
                raise PoolError(_untrue(task, demonstration, number, what))
            over = done.terminated or done.truncated
            if over if number < last else done.terminated != demonstration.terminated:
                raise PoolError(_untrue(task, demonstration, number, "the end differs"))


def _untrue(task: Task[Any], demonstration: Demonstration, step: int, what: str) -> str:
    return (
        f"demonstration {demonstration.id} of {task.name} does not replay: step {step}: {what}; "
        "the pool is damaged or was made by another version of the task: build it again with "
        f"`icil demos build {task.name}`"
    )
