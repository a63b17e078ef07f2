"""The table of `icil leaderboard --leaks`: what gives openings away, cell by cell."""

from itertools import groupby
from typing import TYPE_CHECKING

from icil.harness.cli.plain import in_markup
from icil.harness.cli.tables import shown_demonstrations
from icil.results.leaks import LeakCounts, count_leaks
from icil.results.store import RunStore

if TYPE_CHECKING:
    from rich.console import Console

_HEADINGS = ("agent", "selector", "demos", "n", "left out", "most", "exact", "near", "episodes")
_NAMES = 2
"""Headings of names; the others are of numbers."""


def print_leaks(store: RunStore, console: "Console") -> None:
    """Prints a table for each task and format: demonstrations kept from episodes, and shown."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    found = count_leaks(store)
    if not found:
        console.print("no episode was offered demonstrations: there is nothing to leak")
        return
    for (task, format), cells in groupby(found, key=lambda one: (one.cell.task, one.cell.format)):
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for number, name in enumerate(_HEADINGS):
            table.add_column(name, justify="left" if number < _NAMES else "right", no_wrap=True)
        for one in cells:
            table.add_row(in_markup(one.cell.agent), in_markup(one.cell.selector), *_numbers(one))
        console.print(f"[bold]{in_markup(task)} · {in_markup(format)}[/bold]")
        console.print(table)
    console.print(
        "left out: demonstrations not offered to an episode, for they pass through its opening or "
        "a near duplicate of it, on average and at most; exact, near: such demonstrations shown; "
        "episodes: those that show any"
    )


def _numbers(one: LeakCounts) -> tuple[str, ...]:
    return (
        shown_demonstrations(one.cell),
        str(one.episodes),
        f"{one.left_out / one.episodes:.2f}",
        str(one.most_left_out),
        *(f"[red]{count}[/red]" if count else "0" for count in (one.leaked, one.near)),
        str(one.affected),
    )
