"""Progress in a terminal: episodes, steps, rate, cost, errors, and models that do not answer."""

import math
import time
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from icil.harness.models.asking.trouble import Trouble, listening
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
        self._told: dict[str, float] = {}
        """When a line was last written of a model's trouble."""
        self._listening = ExitStack()
        self._bar = _Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("episodes"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_interactive,
        )
        self._task = self._bar.add_task("playing", total=episodes, figures="")

    def __enter__(self) -> "ProgressBar":
        self._listening.enter_context(listening(self.troubled))
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.close()
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

    def troubled(self, trouble: Trouble) -> None:
        """Shows what is wrong with a model until it answers again, or writes it now and then.

        That a model is asked no more is written at once.
        """
        if trouble.what is None:
            self._bar.troubles.pop(trouble.model, None)
            return
        line = f"{trouble.model}: {trouble.what}"
        self._bar.troubles[trouble.model] = line
        now = time.monotonic()
        waited_s = now - self._told.get(trouble.model, -math.inf)
        due = trouble.ended or waited_s >= _LOG_INTERVAL_S
        if due and not self._console.is_interactive:
            self._told[trouble.model] = now
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

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


class _Bar(Progress):
    """A bar with a line below it for each model that does not answer."""

    def __init__(self, *columns: ProgressColumn, console: Console, disable: bool) -> None:
        self.troubles: dict[str, str] = {}
        """What is wrong, by model."""
        super().__init__(*columns, console=console, transient=True, disable=disable)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Returns what is drawn."""
        yield from super().get_renderables()
        for line in list(self.troubles.values()):  # another thread draws
            yield Text(line, style="yellow", no_wrap=True, overflow="ellipsis")
