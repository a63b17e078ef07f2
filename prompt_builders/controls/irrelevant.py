"""`irrelevant`: demonstrations of another task.

They are drawn uniformly from the pool that ships with that task, and shown in a format of the
same kind, text or images. Whoever does as well with these as with the task's own has learned
nothing from them but the layout.
"""

from contextlib import closing
from dataclasses import replace
from typing import Any

from icil.prompt_builders.controls.control import Alteration, Control, Rank, Scope, Stage
from icil.prompt_builders.controls.wording import Wording
from icil.prompt_builders.selectors import Selection
from icil.tasks import (
    Demonstration,
    Pool,
    PoolError,
    Task,
    UnknownNameError,
    UsageError,
    load_pool_for,
    make,
    replay,
)
from icil.tasks.demonstrations import alter
from icil.tasks.windows import windowed

_USUAL = ("gridworld", "tic_tac_toe")
"""Whose demonstrations are shown unless told otherwise: of the first that is not the task itself.

Both are quick and have texts and images.
"""


class Irrelevant(Control):
    """Demonstrations of another task: `irrelevant=crossword`.

    Args:
        value: The task; None for gridworld, or tic_tac_toe where gridworld is played.
    """

    kind = "irrelevant"
    rank = Rank.REPLACES

    def __init__(self, value: str | None = None) -> None:
        self.other = value
        """The task's name."""

    @property
    def name(self) -> str:
        """With the task, if it was named."""
        return self.kind if self.other is None else f"{self.kind}={self.other}"

    def bind(self, stage: Stage) -> Alteration:
        """Returns the control at work; see `Control.bind`."""
        own = stage.task.name
        other = _make(next(n for n in _USUAL if n != own) if self.other is None else self.other)
        if other.name == own:
            raise UsageError(f"control {self.name}: demonstrations of {own} are not irrelevant")
        format = _like(stage.task, stage.format, other)
        if format is None:
            kind = "images" if stage.format in stage.task.image_formats else "text"
            raise UsageError(
                f"control {self.name}: {own} {stage.format} is {kind}, and {other.name} is not "
                f"shown as {kind}"
            )
        pool = load_pool_for(other)
        if stage.window is not None:
            pool = windowed(other, pool, stage.window)
        if stage.most > len(pool.demonstrations):
            raise PoolError(
                f"control {self.name}: {stage.most} demonstrations were asked for; the pool of "
                f"{other.name} has {len(pool.demonstrations)}"
            )
        with closing(replay(other, pool.demonstrations[0])) as steps:
            other.observe(next(steps)[0], format)  # what draws it may be missing
        return _Irrelevant(other, format, pool)


def _make(name: str) -> Task[Any]:
    try:
        return make(name)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"{error.noun} of the control irrelevant:", name, error.known
        ) from error


def _like(task: Task[Any], format: str, other: Task[Any]) -> str | None:
    """Returns a format of another task that is text, or images, as this one."""
    images = format in task.image_formats
    alike = [one for one in other.formats if (one in other.image_formats) == images]
    return format if format in alike else next(iter(alike), None)


class _Irrelevant(Alteration):
    replaces = True

    def __init__(self, task: Task[Any], format: str, pool: Pool) -> None:
        self._other, self._format, self._pool = task, format, pool
        self._wording = Wording(task)
        self._made: dict[str, Demonstration] = {}

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "task": self._other.name,
            "version": self._other.version,
            "format": self._format,
            "pool": self._pool.hash,
        }

    def alter(self, shown: Selection, scope: Scope) -> Selection:
        count = len(shown.demonstrations)
        order = scope.generator("irrelevant").permutation(len(self._pool.demonstrations))
        others = tuple(self._as_its_own(self._pool.demonstrations[i]) for i in order[:count])
        reason = f"drawn uniformly from {self._other.name}"
        return Selection(demonstrations=others, reasons=(reason,) * len(others))

    def _as_its_own(self, demonstration: Demonstration) -> Demonstration:
        """Returns a demonstration as it is shown for its own task."""
        if demonstration.id not in self._made:
            how = f"irrelevant:{self._other.name}"
            altered = alter(demonstration, how, self._wording(demonstration))
            self._made[demonstration.id] = replace(altered, task=self._other, format=self._format)
        return self._made[demonstration.id]
