"""The contract of a selector: which demonstrations an episode's model is shown."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from icil.tasks import Demonstration, Observation, Opening, Pool, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The episode that demonstrations are chosen for, or a step of it."""

    task: Task[Any]
    format: str
    opening: Opening
    observation: Observation | None = None
    """What is seen at this step, for a selector that is asked at each (`Selector.each_step`); None
    for one that is not, and at the opening."""

    @property
    def state(self) -> Opening | Observation:
        """The present state: what is seen, or the opening."""
        return self.opening if self.observation is None else self.observation


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The chosen demonstrations, in the order in which they are shown."""

    demonstrations: tuple[Demonstration, ...]
    reasons: tuple[str, ...]
    """Why each was chosen, in a few words; as many as demonstrations."""

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(d.id for d in self.demonstrations)


NOTHING = Selection(demonstrations=(), reasons=())
"""The choice of none."""


Telling = Callable[[str, int, int], None]
"""Is told what takes long, how much of it is done, and how much there is."""


def in_silence(what: str, done: int, total: int) -> None:
    """Tells nobody."""


class Selector(ABC):
    """Chooses demonstrations from a pool."""

    nested: bool = False
    """Whether a larger choice always begins with the smaller one."""
    each_step: bool = False
    """Whether it is asked at each step of an episode, with what is seen then, rather than once.
    No prompt then begins as the one before it, so that a provider has nothing to cache."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was set to beside its defaults, as JSON; it is part of every cell."""
        return {}

    def extend(self, task: Task[Any], pool: Pool, tell: Telling = in_silence) -> Pool:
        """Returns what is chosen from in place of a task's pool; that itself, unless it adds to it.

        Is called once, when a run is planned, with whole episodes; may take long. Two calls give
        the same pool.

        Args:
            task: The task.
            pool: Its demonstrations.
            tell: Is told how far it is.

        Raises:
            UsageError: It cannot be done for this task.
        """
        return pool

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that it can choose for a task in a format; all is well, unless it says more.

        Is called when a run is planned, and takes no longer than to look at a few observations.

        Args:
            task: The task.
            format: One of its formats.
            pool: What it will choose from.

        Raises:
            UsageError: It cannot; the message says why.
        """
        return

    @abstractmethod
    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns `k` different demonstrations of a pool.

        Is called on threads, for several episodes at a time.

        Args:
            pool: What may be chosen: demonstrations that would show the evaluated opening
                are not in it. It holds at least `k`.
            query: The episode to choose for; with `each_step` also what is seen.
            k: How many, 0 or more.
            rng: Seeded by the experiment and the opening (with `each_step` also the step), not
                by `k`, so that a selector can be nested: the first 4 of 16 are the 4.
        """
