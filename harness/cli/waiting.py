"""What is told on the screen of things that take long before a run begins."""

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE_S = 1.0
"""What takes less is not spoken of."""
_INTERVAL_S = 30.0
"""Between two lines in a log."""


class Waiting:
    """A bar, or lines in a log, of one thing after the other; a context manager.

    Args:
        console: Where to draw; where that is no terminal, a line is written now and then.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._what = ""
        self._began, self._said = 0.0, -math.inf
        self._first = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Is told what takes long, how much of it is done, and how much there is."""
        now = time.monotonic()
        if what != self._what:
            self._end()
            self._what, self._began, self._first, self._said = what, now, done, -math.inf
        if done >= total:
            self._end()
        elif now - self._began < _PATIENCE_S:
            pass
        elif self._console.is_interactive:
            self._draw(done, total)
        elif now - self._said > _INTERVAL_S:
            self._said = now
            self._console.print(f"{what}: {done} of {total}{self._left(now, done, total)}")

    def _left(self, now: float, done: int, total: int) -> str:
        """Returns how long it will still take, as far as can be told."""
        if done <= self._first:
            return ""
        left = (now - self._began) / (done - self._first) * (total - done)
        return (
            f", about {left / 60:.0f} minutes left" if left > 90 else f", about {left:.0f} s left"
        )

    def _draw(self, done: int, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        if self._bar is None:
            columns = ("{task.description}", BarColumn(), MofNCompleteColumn())
            self._bar = Progress(
                *columns, TimeRemainingColumn(), console=self._console, transient=True
            )
            self._task = self._bar.add_task(self._what)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
