"""Tables on the screen."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Literal

from rich.box import Box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from icil.results import CellRecord, Leaderboard, Row

_NARROWEST = 120
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
_BILL: dict[str, Literal["left", "right"]] = {
    "tokens": "right",
    "cached": "right",
    "cost": "right",
}
"""Shown where a model was called, if there is room."""
_ROOM = 112
"""Columns that a table with the bill takes."""
_BOX = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
"""A line under the headings and no other."""
_NAMES = ("agent", "selector")


_PROTOCOL = {
    "teacher_forced": "teacher-forced: the score is the share of actions reproduced",
    "legal_actions": "legal actions listed",
    "reasoning": "reasoning asked for",
}
_CHOICES = {"layout": "single", "parse": "strict"}
"""Options that are told where they are not as they usually are."""


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
        listed = list(rows)
        billed = console.width >= _ROOM and any(row.input_tokens for row in listed)
        for name, justify in _BILL.items() if billed else ():
            table.add_column(name, justify=justify, no_wrap=True)
        for row in listed:
            table.add_row(*_cells(row), *(_bill(row) if billed else ()))
        console.print(f"[bold]{escape(task)} · {escape(format)}[/bold]")
        console.print(table)
    if leaderboard.experiment:
        console.print(_protocol(leaderboard.experiment), markup=False)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        "" if row.rank is None else str(row.rank),
        escape(row.agent),
        escape(row.selector),
        shown_demonstrations(row),
        str(row.episodes) + ("…" if row.note == "unfinished" else ""),
        _score(row),
        "–" if row.normalized_mean is None else f"{row.normalized_mean:.3f}",
        _wrong(row),
        f"[red]{row.errors}[/red]" if row.errors else "0",
    )


def shown_demonstrations(row: Row | CellRecord) -> str:
    """Returns how many demonstrations are shown, and the budget that they fill."""
    if row.context_tokens is None:
        return str(row.demonstrations)
    count = str(row.demonstrations) if isinstance(row, Row) else "as fit"
    return f"{count} in {_short(row.context_tokens)}"


def _bill(row: Row) -> tuple[str, ...]:
    if not row.input_tokens:
        return ("", "", "")
    cost = "?" if row.cost_usd is None else f"${row.cost_usd:.2f}"
    share = row.cached_input_tokens / row.input_tokens
    return (_short(row.input_tokens + row.output_tokens), f"{share:.0%}", cost)


def _short(count: int) -> str:
    """Returns a count in three digits or so: 812, 12.3k, 4.56M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


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
    told += [
        f"{name} {experiment[name]}"
        for name, usual in _CHOICES.items()
        if experiment.get(name, usual) != usual
    ]
    if sets := experiment.get("demo_sets"):
        told.append(f"{sets} sets of demonstrations for all episodes")
    if not experiment.get("past_actions", True):
        told.append("past actions not shown")
    return "; ".join(told)
