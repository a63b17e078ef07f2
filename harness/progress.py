"""Progress bars in a terminal: episodes, steps, rate, cost and errors."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from icil.results import EpisodeStatus, Usage

_INTERVAL_S = 0.1
"""Between two changes of the figures."""
_LOG_INTERVAL_S = 30.0
"""Between two lines in a log."""


class ProgressBar:
    """A bar over all the episodes of a run; a context manager.

    Args:
        episodes: How many there are.
        console: Where to draw; where that is no terminal, a line is written now and then.
    """

    def __init__(self, episodes: int, console: Console) -> None:
        self._steps = self._errors = 0
        self._cost = 0.0
        self._unpriced = False
        self._console = console
        self._began = self._drawn = self._logged = time.monotonic()
        self._said = ""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("episodes"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_interactive,
        )
        self._task = self._bar.add_task("playing", total=episodes, figures="")

    def __enter__(self) -> "ProgressBar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._said:
            self._write()

    def resumed(self, ended: int, cost_usd: float) -> None:
        """Counts what was played, and paid for, before."""
        self._cost += cost_usd
        self._bar.update(self._task, advance=ended)

    def stepped(self, usage: Usage) -> None:
        """Counts a step and what it cost."""
        self._steps += 1
        if usage.cost_usd is None:
            self._unpriced = True
        else:
            self._cost += usage.cost_usd
        now = time.monotonic()
        if now - self._drawn > _INTERVAL_S:
            self._drawn = now
            self._bar.update(self._task, figures=self._figures())

    def ended(self, status: EpisodeStatus) -> None:
        """Counts an episode."""
        self._errors += status == "error"
        self._bar.update(self._task, advance=1)
        self._log()

    def _log(self) -> None:
        """Writes a line now and then where there is no terminal to draw in."""
        now = time.monotonic()
        if self._console.is_interactive or now - self._logged < _LOG_INTERVAL_S:
            return
        self._logged = now
        self._write()

    def _write(self) -> None:
        """Writes a line unless it would say of as many episodes what the last one did."""
        done = self._bar.tasks[0]
        episodes = f"{done.completed:.0f}/{done.total:.0f} episodes"
        if episodes != self._said:
            self._said = episodes
            self._console.print(f"{episodes} · {self._figures()}")

    def _figures(self) -> str:
        rate = self._steps / max(1e-9, time.monotonic() - self._began)
        cost = f"${self._cost:.2f}" + (" and unpriced calls" if self._unpriced else "")
        errors = f"[red]{self._errors} errors[/red]" if self._errors else "0 errors"
        return f"{self._steps} steps · {rate:.0f}/s · {cost} · {errors}"
