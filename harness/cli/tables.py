"""Tables on the screen."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Literal

from rich.box import Box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from icil.results import Leaderboard, Row

_NARROWEST = 100
"""Columns to assume where the output is no terminal, so that no figure is cut."""

_HEADINGS: dict[str, Literal["left", "right"]] = {
    "#": "right",
    "agent": "left",
    "selector": "left",
    "demos": "right",
    "n": "right",
    r"score \[95 %]": "right",
    "norm.": "right",
    "wrong": "right",
    "err": "right",
}
_BOX = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
"""A line under the headings and no other."""
_NAMES = ("agent", "selector")


_PROTOCOL = {
    "teacher_forced": "teacher-forced: the score is the share of actions reproduced",
    "legal_actions": "legal actions listed",
    "reasoning": "reasoning asked for",
}


def make_console(*, stderr: bool = False) -> Console:
    """Returns a console on standard output or standard error."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, width=max(_NARROWEST, console.width))


def print_leaderboard(leaderboard: Leaderboard, console: Console) -> None:
    """Prints a table for each task and format, and how they were played."""
    for (task, format), rows in groupby(leaderboard.rows, key=lambda r: (r.task, r.format)):
        table = Table(box=_BOX, pad_edge=False, padding=(0, 1, 0, 0))
        for name, justify in _HEADINGS.items():
            widest = 28 if name in _NAMES else None
            table.add_column(name, justify=justify, no_wrap=True, max_width=widest)
        for row in rows:
            table.add_row(*_cells(row))
        console.print(f"[bold]{escape(task)} · {escape(format)}[/bold]")
        console.print(table)
    if leaderboard.experiment:
        console.print(_protocol(leaderboard.experiment), markup=False)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        "" if row.rank is None else str(row.rank),
        escape(row.agent),
        escape(row.selector),
        str(row.demonstrations),
        str(row.episodes) + ("…" if row.note == "unfinished" else ""),
        _score(row),
        "–" if row.normalized_mean is None else f"{row.normalized_mean:.3f}",
        _wrong(row),
        f"[red]{row.errors}[/red]" if row.errors else "0",
    )


def _score(row: Row) -> str:
    if row.score_mean is None:
        return row.note or "–"
    if row.score_ci_low is None or row.score_ci_high is None:
        return f"{row.score_mean:.3f}"
    return rf"{row.score_mean:.3f} \[{row.score_ci_low:.2f}, {row.score_ci_high:.2f}]"


def _wrong(row: Row) -> str:
    rates = (row.empty_rate, row.invalid_rate, row.illegal_rate)
    known = [rate for rate in rates if rate is not None]
    return f"{sum(known):.1%}" if known else "–"


def _protocol(experiment: Mapping[str, Any]) -> str:
    """Returns how a run was played, in a line."""
    told = [f"{experiment['episodes']} episodes a cell", f"seed {experiment['seed']}"]
    told += [text for name, text in _PROTOCOL.items() if experiment.get(name)]
    if not experiment.get("past_actions", True):
        told.append("past actions not shown")
    return "; ".join(told)
