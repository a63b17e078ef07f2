"""The table of `icil leaderboard --actions`: how far actions are from the demonstrated ones."""

from itertools import groupby
from typing import TYPE_CHECKING

from icil.harness.cli.plain import in_markup, plain
from icil.harness.cli.tables import filled
from icil.results.action_errors import make_action_errors
from icil.results.display import ACTION_ERROR, ACTIONS, action_error_cells
from icil.results.store import RunStore

if TYPE_CHECKING:
    from rich.console import Console


def print_action_errors(store: RunStore, console: "Console") -> None:
    """Prints a table for each task and format of a teacher-forced run."""
    found = make_action_errors(store)
    for task, why in found.unmeasured.items():
        console.print(plain(f"{task}: action errors cannot be computed here: {why}"))
    if not found.rows:
        if not found.unmeasured:
            console.print(
                "no action errors: they are of teacher-forced runs of tasks whose actions are "
                "vectors"
            )
        return
    for (task, format), rows in groupby(found.rows, key=lambda one: (one.task, one.format)):
        console.print(f"[bold]{in_markup(task)} · {in_markup(format)}[/bold]")
        console.print(filled(ACTIONS, map(action_error_cells, rows), console))
    console.print(ACTION_ERROR, markup=False)
