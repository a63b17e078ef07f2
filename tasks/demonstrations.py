"""Demonstrations: an expert's episodes as compact traces, rendered in any format when asked.

A trace holds the opening, the actions, and what cannot be simulated again; the observations
come from playing it once more. The digest of each state it passes through is kept too: it
tells whether a re-simulation is true, and whether an evaluation opening was demonstrated.

A `Window` shows some steps of an episode, an `Altered` one (a control) other actions than were
played. `source_of` tells what of them is simulated; all that shows demonstrations goes by it.
"""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from icil.tasks.errors import ContractError, PoolError
from icil.tasks.expert import Expert
from icil.tasks.observation import Observation
from icil.tasks.openings import Opening
from icil.tasks.players import Draws, draws_of, make_player
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Demonstration):
    """Consecutive steps of an episode, shown as a demonstration of their own.

    `opening` is the whole episode's; the states are those of the window alone.
    """

    whole: Demonstration
    """The episode."""
    first: int
    """The place of the window's first step in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunked(Demonstration):
    """A demonstration whose steps are chunks of a whole one's; see `icil.tasks.languages`.

    A step's action is a chunk of actions in an action language, its reward the sum of theirs, its
    state the one in which they begin.
    """

    whole: Demonstration
    """As it was played."""
    length: int
    """Steps of a chunk; the last may have had fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered(Demonstration):
    """A demonstration that is shown with other actions, or for another task, than it was played.

    Opening, steps and states are those that were played.
    """

    true: Demonstration
    """As it was played; its id is the beginning of this one's."""
    actions: tuple[str, ...]
    """What is shown as the action of each step, in the wording seen."""
    task: Task[Any] | None = None
    """Whose demonstration it is; None for the task that it is shown for."""
    format: str | None = None
    """The observation format of that task; None for the one that is played."""


class Source(NamedTuple):
    """What is played again to show a demonstration."""

    task: Task[Any]
    demonstration: Demonstration
    """As it was played."""
    format: str
    actions: tuple[str, ...] | None
    """What is shown as the action of each step; None for what was played."""


def source_of(task: Task[Any], demonstration: Demonstration, format: str) -> Source:
    """Returns what is played again to show a demonstration for a task in a format."""
    if not isinstance(demonstration, Altered):
        return Source(task, demonstration, format, None)
    return Source(
        demonstration.task or task.plain,
        demonstration.true,
        demonstration.format or format,
        demonstration.actions,
    )


def alter(demonstration: Demonstration, how: str, actions: tuple[str, ...]) -> Altered:
    """Returns a demonstration with other actions; `how` is added to its id."""
    id = f"{demonstration.id}~{how}"
    if isinstance(demonstration, Altered):
        return replace(demonstration, id=id, actions=actions)
    opening, steps = demonstration.opening, demonstration.steps
    return Altered(
        id=id,
        opening=opening,
        steps=steps,
        terminated=demonstration.terminated,
        true=demonstration,
        actions=actions,
    )


def windows(demonstration: Demonstration, length: int) -> tuple[Window, ...]:
    """Returns a demonstration cut into windows of so many steps; the last may be shorter."""
    steps = demonstration.steps
    return tuple(
        Window(
            id=f"{demonstration.id}[{first}:{min(first + length, len(steps))}]",
            opening=demonstration.opening,
            steps=steps[first : first + length],
            terminated=demonstration.terminated and first + length >= len(steps),
            whole=demonstration,
            first=first,
        )
        for first in range(0, len(steps), length)
    )


def state_digest(task: Task[Any], env: Any) -> str:
    """Returns 16 hexadecimal digits that stand for an environment's present state."""
    return digest(task.state_key(env), size=8).hex()


def demonstrate(
    task: Task[Any], opening: Opening, id: str, player: str = "expert"
) -> Demonstration:
    """Lets the task's expert, or another player (`make_player`), play an episode.

    The trace has the actions' own names, whatever the task calls them (`Task.plain`); in an action
    language it is in chunks (`Task.tell`).

    Raises:
        ContractError: The expert did something illegal, or the episode outlasts the horizon.
    """
    plain = task.plain
    return task.tell(play_episode(plain, opening, id, make_player(plain, player), draws_of(player)))


def play_episode(
    task: Task[Any],
    opening: Opening,
    id: str,
    player: Expert[Any],
    draws: Draws,
) -> Demonstration:
    """Lets a player, which it closes, play an episode.

    Args:
        task: The task.
        opening: Where it starts.
        id: The demonstration's id.
        player: Who plays.
        draws: Gives the generator of the player's draw at each step.

    Raises:
        ContractError: The player did something illegal, or the episode outlasts the horizon.
    """
    steps: list[Step] = []
    done: Transition | None = None
    with closing(player), closing(task.make_env()) as env:
        task.reset(env, opening)
        player.begin(env)
        while done is None or not (done.terminated or done.truncated):
            if len(steps) == task.horizon:
                raise ContractError(
                    f"{task.name} did not end at its horizon of {task.horizon} steps"
                )
            state = state_digest(task, env)
            said = player.act(env, draws(task, opening, len(steps)))
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
    source = source_of(task, demonstration, format)
    with closing(replay(task, demonstration)) as steps:
        for env, action in steps:
            yield Shown(source.task.observe(env, source.format), action)


def replay(task: Task[Any], demonstration: Demonstration) -> Generator[tuple[Any, str], None, None]:
    """Plays a demonstration again and yields, before each action, the environment and the action.

    Of a window the steps before it are played and not shown; of an altered demonstration the
    action is the one shown, and what was played is played.

    Raises:
        PoolError: The world does not do again what the trace says it did.
    """
    if isinstance(demonstration, Altered):
        source = source_of(task, demonstration, "")
        with closing(replay(source.task, source.demonstration)) as steps:
            for (env, _), action in zip(steps, demonstration.actions, strict=True):
                yield env, action
    elif isinstance(demonstration, Chunked):
        with closing(_replay(task.plain, demonstration.whole)) as steps:
            for (env, _), step in zip(
                islice(steps, 0, None, demonstration.length), demonstration.steps, strict=True
            ):
                yield env, step.action
    elif isinstance(demonstration, Window):
        first, count = demonstration.first, len(demonstration.steps)
        with closing(replay(task, demonstration.whole)) as steps:
            yield from islice(steps, first, first + count)
    else:
        yield from _replay(task, demonstration)


def shown_actions(task: Task[Any], demonstration: Demonstration) -> tuple[str, ...]:
    """Returns the actions of a demonstration as they are shown; may have to play it again.

    Raises:
        PoolError: The world does not do again what the trace says it did.
    """
    if isinstance(demonstration, Altered):
        return demonstration.actions
    if type(task).express is Task.express:
        return tuple(step.action for step in demonstration.steps)
    return tuple(action for _, action in replay(task, demonstration))


def _replay(
    task: Task[Any], demonstration: Demonstration
) -> Generator[tuple[Any, str], None, None]:
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
        "the pool is damaged, was made by another version of the task, or the task has other "
        f"settings than the pool's card says: build it again with `icil demos build {task.name}`"
    )
