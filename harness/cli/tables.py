"""Tables on the screen."""

from itertools import groupby

from rich.console import Console
from rich.table import Table

from icil.results import Leaderboard, Row

_NARROWEST = 110
"""Columns to assume where the output is no terminal, so that no figure is cut."""


def make_console(*, stderr: bool = False) -> Console:
    """Returns a console on standard output or standard error."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console = Console(
            stderr=stderr, highlight=False, width=max(_NARROWEST, console.width), soft_wrap=False
        )
    return console


def print_leaderboard(leaderboard: Leaderboard, console: Console) -> None:
    """Prints a table for each task and format."""
    for (task, format), rows in groupby(leaderboard.rows, key=lambda r: (r.task, r.format)):
        table = Table(title=f"{task} · {format}", title_justify="left", title_style="bold")
        for name in ("rank", "agent", "selector", "demos", "episodes"):
            table.add_column(name, justify="left" if name in ("agent", "selector") else "right")
        for name in ("score [95 %]", "normalised [95 %]", "wrong replies", "errors"):
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(*_cells(row))
        console.print(table)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        "" if row.rank is None else str(row.rank),
        row.agent,
        row.selector,
        str(row.demonstrations) if row.selector else "",
        str(row.episodes),
        _estimate(row.score_mean, row.score_ci_low, row.score_ci_high),
        _estimate(row.normalized_mean, row.normalized_ci_low, row.normalized_ci_high),
        _wrong(row),
        f"[red]{row.errors}[/red]" if row.errors else "0",
    )


def _estimate(mean: float | None, low: float | None, high: float | None) -> str:
    if mean is None:
        return "–"
    bounds = "" if low is None or high is None else rf" \[{low:.2f}, {high:.2f}]"
    return f"{mean:.3f}{bounds}"


def _wrong(row: Row) -> str:
    rates = (row.empty_rate, row.invalid_rate, row.illegal_rate)
    known = [rate for rate in rates if rate is not None]
    return f"{sum(known):.1%}" if known else "–"
