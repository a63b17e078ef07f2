"""The contract of a selector: which demonstrations an episode's model is shown."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from icil.tasks import Demonstration, Opening, Pool, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The episode that demonstrations are chosen for."""

    task: Task[Any]
    format: str
    opening: Opening


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


class Selector(ABC):
    """Chooses demonstrations from a pool."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was set to beside its defaults, as JSON; it is part of every cell."""
        return {}

    @abstractmethod
    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns `k` different demonstrations of a pool.

        Is called on threads, for several episodes at a time.

        Args:
            pool: What may be chosen: demonstrations that would show the evaluated opening
                are not in it. It holds at least `k`.
            query: The episode to choose for.
            k: How many, 0 or more.
            rng: Seeded by the experiment and the opening, not by `k`, so that a selector can
                be nested: the first 4 of 16 are the 4.
        """
