"""The contract of a control: demonstrations shown otherwise than they were played.

A control stands behind a selector's name (`random+noise=0.25`). The selector chooses as it would
without; what it chose is then altered. So a cell with a control differs from the one without in
that alone, and the gap between them is what the demonstrations were worth.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from icil.prompt_builders.selectors import Selection
from icil.tasks import Pool, Task, UsageError
from icil.tasks.seeding import generator


class Rank(IntEnum):
    """What a control does, in the order in which several are applied."""

    REPLACES = 0
    """It shows other demonstrations in place of those chosen; there can be one such control."""
    ALTERS = 1
    """It changes what is chosen."""
    RENAMES = 2
    """It changes the words for what is done."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a control is to work on: the cells of a task in one format."""

    task: Task[Any]
    format: str
    pool: Pool
    seed: int
    """The experiment's."""
    most: int
    """The largest number of demonstrations shown; 0 where budgets alone decide."""
    window: int | None = None
    """The steps of a demonstration, where the pool was cut into windows."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The episode, or set of episodes, whose demonstrations are altered."""

    identity: tuple[int | str, ...]
    """Stands for it: the experiment's seed, the task and its version, the opening or the set."""
    offered: Pool
    """What the selector chose from."""
    guarded: Callable[[], frozenset[str]] = frozenset
    """Returns the digests of the states that no demonstration may pass through."""

    def generator(self, purpose: str) -> np.random.Generator:
        """Returns a generator for one purpose, the same each time."""
        return generator("control", purpose, *self.identity)


class Alteration(ABC):
    """A control at work on the cells of one task and format. Is called on threads."""

    replaces: bool = False
    """Whether it shows other demonstrations in place of those chosen, which may take more room."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the control's name does not tell, as JSON; it is part of every cell."""
        return {}

    @property
    def task(self) -> Task[Any] | None:
        """The task that is played in place of the stage's; None for that one."""
        return None

    @abstractmethod
    def alter(self, shown: Selection, scope: Scope) -> Selection:
        """Returns as many demonstrations as were chosen, altered, with ids that say so.

        Raises:
            UsageError: It cannot be done.
        """


class Control(ABC):
    """Made of what follows its name and `=` on the command line.

    Args:
        value: That text; None if nothing follows.

    Raises:
        UsageError: It takes no such value.
    """

    kind: str
    """Its name without the value."""
    rank: Rank = Rank.ALTERS

    def __init__(self, value: str | None = None) -> None:
        if value is not None:
            raise UsageError(f"control {self.kind} takes no value, got {value!r}")

    @property
    def name(self) -> str:
        """The control as it is written, in one way alone: `noise=0.25`."""
        return self.kind

    @abstractmethod
    def bind(self, stage: Stage) -> Alteration:
        """Returns the control at work.

        Raises:
            UsageError: It makes no sense for this task and format.
        """
