"""The table of `icil leaderboard --success`: in how many episodes the goal was met."""

from itertools import groupby

from rich.console import Console

from icil.harness.cli.plain import in_markup
from icil.harness.cli.tables import filled
from icil.results import RunStore, make_success
from icil.results.display import SUCCESS, success_cells


def print_success(store: RunStore, console: Console) -> None:
    """Prints a table for each task and format that has a goal."""
    rows = make_success(store).rows
    if not rows:
        console.print(
            "no success to show: its tasks have no goal, it has no episode that is done, or it is "
            "teacher-forced"
        )
        return
    for (task, format), of_place in groupby(rows, key=lambda row: (row.task, row.format)):
        console.print(f"[bold]{in_markup(task)} · {in_markup(format)}[/bold]")
        console.print(filled(SUCCESS, map(success_cells, of_place), console))
    console.print(
        "success: episodes in which the goal was met at any step; at the end: at the last step; "
        "Wilson's intervals; latency: of all calls, the mean, the median and the 95th percentile",
        markup=False,
    )
