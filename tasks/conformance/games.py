"""Games: episodes of a task, played without a harness, so that they can be compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from icil.tasks.actions import sample_action
from icil.tasks.demonstrations import Demonstration, demonstrate
from icil.tasks.errors import ContractError, OpeningsError
from icil.tasks.openings import Opening, OpeningSource
from icil.tasks.players import Player
from icil.tasks.seeding import generator
from icil.tasks.task import Task, Transition

_DRAWN = 10
"""About how many states of an episode of a slow world are drawn."""


class Choice(NamedTuple):
    """An action and, when an episode is played again, what the world did then."""

    action: str
    outcome: Any = None


Chooser = Callable[[Task[Any], Any, int], Choice]
"""Returns what is done at a step, given the task, the environment and the step."""


class Game(NamedTuple):
    """An episode; a state stands at the place of the action that was taken in it."""

    opening: Opening
    states: list[str]
    actions: list[str]
    transitions: list[Transition]

    @property
    def total(self) -> float:
        """The return."""
        return sum(transition.reward for transition in self.transitions)


def first(source: OpeningSource, count: int) -> list[Opening]:
    """Returns the first `count` openings of a split, or all where it has fewer."""

    def openings() -> Iterator[Opening]:
        for index in range(count):
            try:
                yield source[index]
            except OpeningsError:
                return

    return list(openings())


def at_random(opening: Opening) -> Chooser:
    """Returns a chooser that plays at random, the same each time."""

    def choose(task: Task[Any], env: Any, step: int) -> Choice:
        rng = generator("conformance", task.name, opening.split, opening.index, step)
        return Choice(sample_action(task.legal_actions(env), rng))

    return choose


def as_in(game: Game) -> Chooser:
    """Returns a chooser that repeats a game."""

    def choose(task: Task[Any], env: Any, step: int) -> Choice:
        if step >= len(game.actions):
            raise ContractError(f"an episode of {task.name} goes on where it ended before")
        return Choice(game.actions[step], game.transitions[step].outcome)

    return choose


def looks(task: Task[Any], step: int, steps: int) -> tuple[str, ...]:
    """Returns the formats in which a state is looked at.

    They are all of them, but a slow world, whose pictures may take a tenth of a second, is drawn in
    some states of a long episode only, its first and its last among them.

    Args:
        task: The task.
        step: The state's place in its episode.
        steps: How many the episode has.
    """
    every = -(-steps // _DRAWN) if task.slow else 1
    drawn = step % every == 0 or step == steps - 1
    return task.formats if drawn else tuple(f for f in task.formats if f not in task.image_formats)


def play(
    task: Task[Any], opening: Opening, choose: Chooser, *, look: int = 0, env: Any = None
) -> Game:
    """Plays an episode to its end, or to the horizon.

    Args:
        task: The task.
        opening: Where it starts.
        choose: What is done.
        look: How many steps it will have, where its states are to be looked at; see `looks`.
        env: The environment to play in; None for a new one.
    """
    own = env is None
    env = task.make_env() if own else env
    game = Game(opening, [], [], [])
    task.reset(env, opening)
    while len(game.actions) < task.horizon:
        for format in looks(task, len(game.actions), look) if look else ():
            task.observe(env, format)
        game.states.append(task.state_key(env))
        action, outcome = choose(task, env, len(game.actions))
        game.actions.append(action)
        game.transitions.append(_step(task, env, action, outcome))
        if game.transitions[-1].terminated or game.transitions[-1].truncated:
            break
    if own:
        env.close()
    return game


def replay(task: Task[Any], game: Game) -> Iterator[Any]:
    """Plays a game again and yields the environment before each action."""
    env = task.make_env()
    task.reset(env, game.opening)
    for action, transition in zip(game.actions, game.transitions, strict=True):
        yield env
        _step(task, env, action, transition.outcome)
    env.close()


def difference(one: Game, other: Game) -> str | None:
    """Returns where two games part, in words; None if they do not."""
    where = f"opening {one.opening.index}"
    steps = zip(one.states, other.states, one.transitions, other.transitions, strict=False)
    for step, (state, another, answer, reply) in enumerate(steps):
        if state != another:
            return f"{where}, step {step}: the state {state!r}, then {another!r}"
        if answer != reply:
            return f"{where}, step {step}: {answer}, then {reply}"
    if len(one.actions) != len(other.actions):
        return f"{where}: an end after {len(one.actions)} steps, then {len(other.actions)}"
    return None


def _step(task: Task[Any], env: Any, action: str, outcome: Any) -> Transition:
    parsed = task.parse(action, env)
    if parsed.status != "ok":
        raise ContractError(f"{task.name} does not take its own action {action!r}: {parsed.reason}")
    return task.step(env, parsed.value, outcome)


@dataclass(frozen=True)
class Sample:
    """The task under a checker's eyes, and the episodes that its rules look at."""

    task: Task[Any]
    registered: str | None
    """What it is registered under; None if it is not."""
    episodes: int
    """How many episodes the expert and the random player play."""

    @cached_property
    def openings(self) -> list[Opening]:
        """The first demonstration openings."""
        return first(self.task.openings("demonstration"), self.episodes)

    @cached_property
    def games(self) -> list[Game]:
        """Random play from the openings."""
        return [play(self.task, opening, at_random(opening)) for opening in self.openings]

    @cached_property
    def demonstrations(self) -> list[Demonstration]:
        """The expert's play from the openings, or random play where there is no expert."""
        player: Player = "expert" if self.task.has_expert else "random"
        return [demonstrate(self.task, o, str(o.index), player) for o in self.openings]

    def states(self) -> Iterator[Any]:
        """Yields environments in the states of two games."""
        for game in self.games[:2]:
            yield from replay(self.task, game)
