"""What would show a model the opening that it is evaluated on: demonstrations, exact and near.

A demonstration shows an opening exactly where it passes through that very state, by its digest,
and nearly where it passes through one that is nearly the same (`embeddings/vicinity.py`). For
the pools that ship, what is near to their first openings ships as well, and costs a look-up.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from icil.prompt_builders.embeddings.vicinity import (
    LAYOUT,
    Seen,
    Vicinity,
    find_vicinity,
    see,
)
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.tasks import Demonstration, Opening, Pool, Task
from icil.tasks.demonstrations import source_of, state_digest

Leaks = Literal["exclude", "allow"]
"""Whether demonstrations that show an episode's opening, exactly or nearly, are offered."""

SHIPPED = Path(__file__).with_name("near.json")


class Leak(NamedTuple):
    """What of a pool shows an opening."""

    state: str = ""
    """The opening's digest; empty where no demonstrations are shown, and none was looked for."""
    states: frozenset[str] = frozenset()
    """The digests of the pool's states that are nearly the same; not its own."""
    exact: frozenset[str] = frozenset()
    """The ids of the demonstrations that pass through it."""
    near: frozenset[str] = frozenset()
    """The ids of those that do not, but pass through one of `states`."""

    @property
    def ids(self) -> frozenset[str]:
        """Of all of them."""
        return self.exact | self.near

    @property
    def guarded(self) -> frozenset[str]:
        """The digests of the states that give the opening away."""
        return self.states | {self.state}


class Leaked(NamedTuple):
    """How many of the demonstrations shown give an opening away."""

    exact: int = 0
    near: int = 0
    """Of the others."""


def count_leaked(leak: Leak, task: Task[Any], shown: Iterable[Demonstration]) -> Leaked:
    """Returns how many demonstrations give an opening away.

    Args:
        leak: What does.
        task: The opening's task.
        shown: Demonstrations, those of other tasks among them, altered or not.
    """
    own = [one.states for one in shown if source_of(task, one, "").task.name == task.name]
    exact = sum(leak.state in states for states in own)
    return Leaked(exact, sum(not states.isdisjoint(leak.guarded) for states in own) - exact)


class Guard:
    """Knows which demonstrations of a pool show a state.

    Args:
        task: The task.
        pool: Its demonstrations.
        tell: Is told how far it is, where it takes long.
    """

    def __init__(self, task: Task[Any], pool: Pool, tell: Telling = in_silence) -> None:
        self._task, self._pool, self._tell = task.plain, pool, tell

    def of_opening(self, opening: Opening, env: Any) -> Leak:
        """Returns what shows an opening; may take long.

        Args:
            opening: An opening.
            env: An environment that has been put into it.

        Raises:
            PoolError: A demonstration does not replay.
        """
        state, known = state_digest(self._task, env), self._known
        if known is not None and opening.split == "evaluation" and opening.index < known.openings:
            return self._leak(state, known.near.get(state, frozenset()))
        observation = self._task.observe(env, self._vicinity.space.format)
        return self._leak(state, self._vicinity.near(observation))

    def of_demonstration(self, demonstration: Demonstration) -> Leak:
        """Returns what shows the opening of one of the pool's own demonstrations, itself included.

        Raises:
            PoolError: A demonstration does not replay.
        """
        state, known = demonstration.steps[0].state, self._known
        if known is not None:
            return self._leak(state, known.near.get(state, frozenset()))
        return self._leak(state, self._vicinity.near_to(state))

    def _leak(self, state: str, near: frozenset[str]) -> Leak:
        passing = self._pool.passing
        exact = passing.get(state, frozenset())
        states = near - {state}
        ids = frozenset[str]().union(*(passing.get(one, ()) for one in states))
        return Leak(state, states, exact, ids - exact)

    @cached_property
    def _known(self) -> "Known | None":
        return find_known(self._task, see(self._pool))

    @cached_property
    def _vicinity(self) -> Vicinity:
        what = f"looking for near duplicates among the demonstrations of {self._task.name}"
        return find_vicinity(self._task, self._pool, lambda n, all: self._tell(what, n, all))


class Known(NamedTuple):
    """What ships of a pool."""

    openings: int
    """How many evaluation openings were looked at, the first ones; those of the pool all were."""
    near: Mapping[str, frozenset[str]]
    """The digests of openings to those of the pool's states near to them; none: left out."""


def find_known(task: Task[Any], seen: Seen) -> Known | None:
    """Returns what ships of a pool for a task as it is set, if anything does."""
    entry = _shipped().get(seen.hash)
    made_for = {"task": task.name, "version": task.version, "settings": dict(task.settings)}
    if entry is None or made_for != {key: entry[key] for key in made_for}:
        return None
    near = {state: frozenset(states) for state, states in entry["near"].items()}
    return Known(entry["openings"], near)


@cache
def _shipped() -> Mapping[str, Mapping[str, Any]]:
    content = json.loads(SHIPPED.read_text(encoding="utf-8"))
    pools: Mapping[str, Mapping[str, Any]] = content["pools"] if content["layout"] == LAYOUT else {}
    return pools
