"""The table of `icil leaderboard --actions`: how far actions are from the demonstrated ones."""

from itertools import groupby
from typing import TYPE_CHECKING

from icil.harness.cli.plain import harmless, in_markup
from icil.results.action_errors import ActionError, make_action_errors
from icil.results.scores import Estimate
from icil.results.store import RunStore

if TYPE_CHECKING:
    from rich.console import Console

_HEADINGS = (
    "agent",
    "selector",
    "demos",
    "n",
    "actions",
    "unread",
    r"error \[95 %]",
    "by dimension",
)
_NAMES = 2
"""Headings of names; the others are of numbers."""
_MOST = 8
"""Dimensions that have room in a row; the file has all of them."""


def print_action_errors(store: RunStore, console: "Console") -> None:
    """Prints a table for each task and format of a teacher-forced run."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    found = make_action_errors(store)
    for task, why in found.unmeasured.items():
        console.print(harmless(f"{task}: {why}"), markup=False)
    if not found.rows:
        console.print(
            "no action errors: they are of teacher-forced runs of tasks whose actions are vectors"
        )
        return
    for (task, format), rows in groupby(found.rows, key=lambda one: (one.task, one.format)):
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for number, name in enumerate(_HEADINGS):
            table.add_column(name, justify="left" if number < _NAMES else "right", no_wrap=True)
        for one in rows:
            table.add_row(in_markup(one.agent), in_markup(one.selector), *_numbers(one))
        console.print(f"[bold]{in_markup(task)} · {in_markup(format)}[/bold]")
        console.print(table)
    console.print(
        "error: distance from the demonstrated action, in parts of the range of each number, on "
        "average; unread: replies without an action, which have no error"
    )


def _numbers(one: ActionError) -> tuple[str, ...]:
    count, tokens = str(one.demonstrations), one.context_tokens
    dimensions = [f"{found.mean:.3f}" if found else "–" for found in one.dimensions[:_MOST]]
    more = ["…"] if len(one.dimensions) > _MOST else []
    return (
        count if tokens is None else f"{tokens:,} tokens",
        str(one.episodes),
        str(one.actions),
        f"[red]{one.unread}[/red]" if one.unread else "0",
        _estimate(one.error),
        " ".join([*dimensions, *more]),
    )


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.mean:.4f}"
    return rf"{found.mean:.4f} \[{found.low:.3f}, {found.high:.3f}]"
