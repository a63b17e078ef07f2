"""Tables on the screen."""

from itertools import groupby

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from icil.results import Leaderboard, Row

_NARROWEST = 100
"""Columns to assume where the output is no terminal, so that no figure is cut."""

_HEADINGS = (
    "rank",
    "agent",
    "selector",
    "demos",
    "played",
    r"score \[95 %]",
    "normalised",
    "wrong",
    "errors",
)


def make_console(*, stderr: bool = False) -> Console:
    """Returns a console on standard output or standard error."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, width=max(_NARROWEST, console.width))


def print_leaderboard(leaderboard: Leaderboard, console: Console) -> None:
    """Prints a table for each task and format."""
    for (task, format), rows in groupby(leaderboard.rows, key=lambda r: (r.task, r.format)):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for name in _HEADINGS:
            left = name in ("agent", "selector")
            table.add_column(
                name,
                justify="left" if left else "right",
                overflow="fold" if left else "ellipsis",
                no_wrap=not left,
            )
        for row in rows:
            table.add_row(*_cells(row))
        console.print(f"[bold]{escape(task)} · {escape(format)}[/bold]")
        console.print(table)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        "" if row.rank is None else str(row.rank),
        escape(row.agent),
        escape(row.selector),
        str(row.demonstrations),
        str(row.episodes),
        _score(row),
        "–" if row.normalized_mean is None else f"{row.normalized_mean:.3f}",
        _wrong(row),
        f"[red]{row.errors}[/red]" if row.errors else "0",
    )


def _score(row: Row) -> str:
    if row.score_mean is None:
        return "–"
    if row.score_ci_low is None or row.score_ci_high is None:
        return f"{row.score_mean:.3f}"
    return rf"{row.score_mean:.3f} \[{row.score_ci_low:.2f}, {row.score_ci_high:.2f}]"


def _wrong(row: Row) -> str:
    rates = (row.empty_rate, row.invalid_rate, row.illegal_rate)
    known = [rate for rate in rates if rate is not None]
    return f"{sum(known):.1%}" if known else "–"
