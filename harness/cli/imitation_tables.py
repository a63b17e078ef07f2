"""How agents imitate, on the screen: a table of all cells, and one of the gaps."""

from itertools import groupby
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from icil.harness.cli.plain import in_markup
from icil.harness.cli.tables import shown_demonstrations
from icil.results import Curves, Estimate, Gaps

_CURVES: dict[str, Literal["left", "right"]] = {
    "agent": "left",
    "selector": "left",
    "demos": "right",
    "n": "right",
    r"agrees \[95 %]": "right",
    r"copies \[95 %]": "right",
    r"never departs \[95 %]": "right",
}
_GAPS: dict[str, Literal["left", "right"]] = {
    "agent": "left",
    "selector": "left",
    "demos": "right",
    "against": "left",
    "n": "right",
    "score": "right",
    "its score": "right",
    r"gap \[95 %]": "right",
}


def print_curves(curves: Curves, console: Console) -> None:
    """Prints a table for each task and format: what was found over all steps."""
    for (task, format), rows in groupby(curves.rows, key=lambda row: (row.task, row.format)):
        table = _table(_CURVES)
        for row in rows:
            table.add_row(
                in_markup(row.agent),
                in_markup(row.selector),
                shown_demonstrations(row),
                str(row.episodes),
                *map(_estimate, (row.agreement, row.copies, row.on_course)),
            )
        console.print(f"[bold]{in_markup(task)} · {in_markup(format)}[/bold]")
        console.print(table)


def print_gaps(gaps: Gaps, console: Console) -> None:
    """Prints a table for each task and format: what the demonstrations are worth."""
    for (task, format), rows in groupby(gaps.rows, key=lambda row: (row.task, row.format)):
        table = _table(_GAPS)
        for row in rows:
            gap = Estimate(mean=row.gap, low=row.gap_ci_low, high=row.gap_ci_high)
            table.add_row(
                in_markup(row.agent),
                in_markup(row.selector),
                shown_demonstrations(row),
                in_markup(row.control),
                str(row.openings),
                f"{row.score_mean:.3f}",
                f"{row.control_mean:.3f}",
                _estimate(gap, sign="+"),
            )
        console.print(f"[bold]learned in context: {in_markup(task)} · {in_markup(format)}[/bold]")
        console.print(table)


def _table(headings: dict[str, Literal["left", "right"]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, justify in headings.items():
        table.add_column(name, justify=justify, no_wrap=True)
    return table


def _estimate(found: Estimate | None, sign: str = "") -> str:
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.mean:{sign}.3f}"
    return rf"{found.mean:{sign}.3f} \[{found.low:{sign}.2f}, {found.high:{sign}.2f}]"
