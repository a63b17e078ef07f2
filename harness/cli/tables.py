"""Tables on the screen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.box import Box
from rich.console import Console
from rich.table import Table

from icil.harness.cli.plain import harmless, in_markup
from icil.results import (
    CellRecord,
    Comparisons,
    Curve,
    Gap,
    Leaderboard,
    Overall,
    PublishedRow,
    Row,
)
from icil.results.display import (
    BILL,
    BOARD,
    OVERALL,
    WINS,
    Headings,
    bill_cells,
    board_cells,
    board_legend,
    comparison_fields,
    demonstrations,
    overall_cells,
    overall_heading,
    published_cells,
    short,
    wins_cells,
)

_NARROWEST = 150
"""Columns to assume where the output is no terminal, so that no figure is cut."""
_ROOM = 112
"""Columns that a table with the bill takes."""
_BOX = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
"""A line under the headings and no other."""
_NAMES = ("agent", "selector", "first", "against", "run")
"""Columns of names, which are cut where there is little room."""
_NARROWEST_NAME = 12
"""Columns that a name has where there is little room."""
_BETWEEN = 2
"""Columns between two of a table."""
_LEAST = 8
"""Columns of a name before its options in brackets, which are cut only where it has fewer."""
_FOLDED = "missing"
"""The column that may take several lines."""

_PROTOCOL = {
    "teacher_forced": "teacher-forced: the score is the share of actions reproduced",
    "held_out": "no episode is among its own demonstrations",
    "legal_actions": "legal actions listed",
    "reasoning": "reasoning asked for",
}
_CHOICES = {"layout": "single", "parse": "strict", "leaks": "exclude"}
"""Options that are told where they are not as they usually are."""


def make_console(*, stderr: bool = False) -> Console:
    """Returns a console on standard output or standard error."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, highlight=False, width=max(_NARROWEST, console.width))


def print_leaderboard(
    leaderboard: Leaderboard, console: Console, published: Sequence[PublishedRow] = ()
) -> None:
    """Prints a table for each task and format, and how they were played.

    Args:
        leaderboard: The rows.
        console: Where.
        published: Rows that are shown below those of their task and format, marked.
    """
    merged = leaderboard.merged
    for (task, format, ground), rows in leaderboard.groups:
        billed = console.width >= _ROOM and any(row.input_tokens for row in rows)
        table = _table({"run": "left"} if merged else {}, BOARD, BILL if billed else {})
        listed = [
            [
                *([row.run] if merged else []),
                *board_cells(row),
                *(bill_cells(row) if billed else ()),
            ]
            for row in rows
        ]
        _keep_room(table, listed, console.width)
        place = (len(listed[0]) - len(BILL) * billed if listed else 0) - 1
        for row, plain in zip(rows, listed, strict=True):
            cells = [in_markup(cell) for cell in plain]
            if row.errors:
                cells[place] = f"[red]{cells[place]}[/red]"
            table.add_row(*cells)
        for one in published:
            if (one.task, one.format) == (task, format):
                cells = [in_markup(cell) for cell in published_cells(one)]
                table.add_row(*([""] if merged else []), *cells, style="dim")
        console.print(f"[bold]{in_markup(' · '.join(filter(None, (task, format, ground))))}[/bold]")
        console.print(table)
    sources = sorted({one.source for one in published})
    notes = (*leaderboard.notes, *_unfilled(leaderboard.rows))
    for line in (*notes, *board_legend(leaderboard.rows, sources)):
        console.print(harmless(line), markup=False)
    if leaderboard.experiment.get("episodes"):
        console.print(harmless(_protocol(leaderboard.experiment)), markup=False)


def print_overall(overall: Overall, console: Console) -> None:
    """Prints a table over all numbers of demonstrations, then one for each of them."""
    for heading, rows in groupby(overall.rows, key=overall_heading):
        console.print(f"[bold]{in_markup(heading)}[/bold]")
        console.print(filled(OVERALL, map(overall_cells, rows), console))
    console.print(
        "norm.: the normalised score, mean over formats, then tasks; IQM: its interquartile mean "
        "over tasks and formats; no rank where something is missing",
        markup=False,
    )


def print_comparisons(comparisons: Comparisons, console: Console) -> None:
    """Prints a table for each family of comparisons, and what was won in all."""
    for family, group in groupby(comparisons.rows, key=lambda row: row.family):
        rows = list(group)
        columns = comparison_fields(rows)
        headings = {column.heading: column.side for column in columns}
        console.print(f"[bold]{in_markup(family)}[/bold]")
        console.print(
            filled(headings, ([one.show(row) for one in columns] for row in rows), console)
        )
    if not comparisons.rows:
        console.print("there is nothing to compare: no two cells differ in this alone")
        return
    console.print("[bold]in how many settings[/bold]")
    console.print(filled(WINS, map(wins_cells, comparisons.wins), console))
    console.print(
        "paired by opening; sign-flip tests, Holm's correction within each table; uncorrected: "
        "wins and losses at 5 % each; +n for 80 %: so many more "
        "openings give a power of 80 %",
        markup=False,
    )


def shown_demonstrations(row: Row | Curve | Gap | CellRecord) -> str:
    """Returns how many demonstrations are shown, and the budget that they fill."""
    if isinstance(row, CellRecord) and row.context_tokens is not None:
        return f"as fit in {short(row.context_tokens)}"
    return demonstrations(row.demonstrations, row.context_tokens)


def filled(headings: Headings, rows: Iterable[Sequence[str]], console: Console) -> Table:
    """Returns a table of plain texts, with names cut as the console has room."""
    table, listed = _table(headings), [list(row) for row in rows]
    _keep_room(table, listed, console.width)
    for row in listed:
        table.add_row(*map(in_markup, row))
    return table


def _keep_room(table: Table, rows: Sequence[list[str]], room: int) -> None:
    """Cuts long names, and has names cut, and not numbers, where room is scarcer still.

    Args:
        table: The table, still empty.
        rows: Its cells, which are changed.
        room: Columns for the whole table.
    """
    columns = list(zip(table.columns, zip(*rows, strict=True), strict=False))
    longest = [max(map(len, (str(column.header), *cells))) for column, cells in columns]
    spare = room - sum(longest) - _BETWEEN * len(longest)
    for place, (column, cells) in enumerate(columns):
        if column.justify == "right":
            column.min_width = max(map(len, cells))
        if str(column.header) in _NAMES:
            width = max(_NARROWEST_NAME, longest[place] + min(0, spare))
            spare += max(0, longest[place] - width)
            for row, name in zip(rows, abbreviated(cells, width), strict=True):
                row[place] = name


def abbreviated(names: Sequence[str], width: int) -> list[str]:
    """Returns names cut in the middle to a width, or to the least that still tells them apart."""
    while len({_cut(name, width) for name in names}) < len(set(names)):
        width += 1
    return [_cut(name, width) for name in names]


def _cut(name: str, width: int) -> str:
    """Returns a name cut in the middle: before its options in brackets, if it can be."""
    if len(name) <= width:
        return name
    plain, bracket, options = name.partition(" [")
    if bracket and width - len(bracket + options) >= _LEAST:
        return f"{_cut(plain, width - len(bracket + options))}{bracket}{options}"
    tail = (width - 1) // 2
    return f"{name[: width - 1 - tail]}…{name[-tail:]}"


def _table(*headings: Headings) -> Table:
    table = Table(box=_BOX, pad_edge=False, padding=(0, 1, 0, 0))
    for name, side in [item for one in headings for item in one.items()]:
        table.add_column(in_markup(name), justify=side, no_wrap=name != _FOLDED)
    return table


def _unfilled(rows: Iterable[Row]) -> Iterator[str]:
    """Yields which budgets hold no demonstration."""
    for row in rows:
        if row.context_tokens is not None and not row.demonstrations and row.episodes:
            budget = short(row.context_tokens)
            yield (
                f"{row.agent}, {row.task}: no demonstration fits {budget} tokens beside the "
                "episode's own steps and the reply (--max-output-tokens)"
            )


def _seed(experiment: Mapping[str, Any]) -> str:
    seed = experiment.get("seed")
    return "of several seeds" if seed is None else f"seed {seed}"


def _protocol(experiment: Mapping[str, Any]) -> str:
    """Returns how a run was played, in a line; what was swept stands in its rows."""
    told = [f"{experiment['episodes']} episodes a cell", _seed(experiment)]
    told += [text for name, text in _PROTOCOL.items() if experiment.get(name) is True]
    told += [
        f"{name} {experiment[name]}"
        for name, usual in _CHOICES.items()
        if isinstance(experiment.get(name), str) and experiment[name] != usual
    ]
    if isinstance(sets := experiment.get("demo_sets"), int):
        drawn = ", which the intervals resample" if sets > 1 else ""
        of = "one set" if sets == 1 else f"{sets} sets"
        told.append(f"{of} of demonstrations for all episodes{drawn}")
    if experiment.get("past_actions", True) is False:
        told.append("past actions not shown")
    return "; ".join(told)
