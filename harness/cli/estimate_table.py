"""An estimate on the screen."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from icil.harness.cli.option_words import swept_options
from icil.harness.cli.tables import shown_demonstrations
from icil.harness.estimates import Amounts, CellEstimate, Estimate

_MOST_ROWS = 40
_ROOM = 100
"""Columns that a table with a row for each cell takes."""
_NUMBERS = ("calls", "input", "cached", "output", "images", "USD", "no cache")


class _Row(NamedTuple):
    """A line of the table: some cells together."""

    names: tuple[str, ...]
    cells: Sequence[CellEstimate]


def print_estimate(found: Estimate, console: Console) -> None:
    """Prints a table of what an experiment will take, and what that rests on."""
    for note in found.skipped:
        console.print(f"left out: {note}", style="yellow", markup=False)
    if not found.cells:
        console.print("No model is asked: nothing is sent, and it costs nothing.")
        return
    console.print(_table(found, each=len(found.cells) <= _MOST_ROWS and console.width >= _ROOM))
    for line in _sums(found):
        console.print(line, markup=False)
    for cell in found.cells:
        if cell.overlong is not None:
            console.print(_overlong(cell), style="red", markup=False)
    for _, cells in _grouped(found.cells):
        console.print(_ground(cells), style="dim", markup=False)


def _table(found: Estimate, *, each: bool) -> Table:
    """Returns the table, with a row for each cell, or for each task and agent."""
    heads = ("task", "format", "agent", "selector", "demos") if each else ("task", "agent", "cells")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True)
    for number, head in enumerate(heads):
        right = head in ("demos", "cells")
        footer = "total" if number == 0 else ""
        # Where there is no room, names are broken, so that no figure is cut.
        table.add_column(head, footer, justify="right" if right else "left", overflow="fold")
    total = _numbers(found.total.expected, found.cells)
    for head, footer in zip(_NUMBERS, total, strict=True):
        table.add_column(head, footer, justify="right", no_wrap=True)
    for names, cells in _single(found.cells) if each else _grouped(found.cells):
        amounts = sum((cell.range.expected for cell in cells), Amounts())
        table.add_row(*map(escape, names), *_numbers(amounts, cells))
    return table


def _single(cells: Iterable[CellEstimate]) -> Iterable[_Row]:
    listed = list(cells)
    options = swept_options([one.cell for one in listed])
    for one, told in zip(listed, options, strict=True):
        cell = one.cell
        agent = f"{cell.agent} [{told}]" if told else cell.agent
        names = (cell.task, cell.format, agent, cell.selector, shown_demonstrations(cell))
        yield _Row(names, [one])


def _grouped(cells: Iterable[CellEstimate]) -> Iterable[_Row]:
    ordered = sorted(cells, key=_task_and_agent)
    for names, group in groupby(ordered, key=_task_and_agent):
        members = list(group)
        yield _Row((*names, str(len(members))), members)


def _task_and_agent(one: CellEstimate) -> tuple[str, str]:
    return one.cell.task, one.cell.agent


def _numbers(amounts: Amounts, cells: Sequence[CellEstimate]) -> tuple[str, ...]:
    share = amounts.cached_tokens / amounts.input_tokens if amounts.input_tokens else 0.0
    more = "+?" if any(not cell.priced for cell in cells) else ""
    unknown = all(not cell.priced for cell in cells)
    return (
        f"{amounts.calls:,.0f}",
        _short(amounts.input_tokens),
        f"{share:.0%}",
        _short(amounts.output_tokens),
        _short(amounts.images),
        "?" if unknown else f"{amounts.cost_usd:,.2f}{more}",
        "?" if unknown else f"{amounts.uncached_usd:,.2f}{more}",
    )


def _sums(found: Estimate) -> Iterable[str]:
    """Yields the sums in words."""
    total = found.total
    low, cost, high = (a.cost_usd for a in (total.low, total.expected, total.high))
    priced = any(cell.priced for cell in found.cells)
    if priced:
        yield (
            f"${cost:,.2f} ({low:,.2f} to {high:,.2f}); without a cache "
            f"${total.expected.uncached_usd:,.2f}"
        )
    if calls := f"{found.spent.calls:,.0f} calls" if found.spent.calls else "":
        spent = f"of which ${found.spent.cost_usd:,.2f} are spent already, in {calls}"
        yield spent if priced else f"{calls} were made already"
    yield f"about {_time(found.wall_s)} at {found.concurrency} episodes of a model at once"
    for name in found.unpriced:
        yield f"the price of {name} is not known, and in no sum; give it in a file with --prices"


def _overlong(one: CellEstimate) -> str:
    assert one.overlong is not None
    cell = one.cell
    name = f"{cell.task} {cell.format} {cell.agent} {cell.selector} {shown_demonstrations(cell)}"
    return f"overlong: {' '.join(name.split())}: step {one.overlong.step}: {one.overlong.reason}"


def _ground(cells: Sequence[CellEstimate]) -> str:
    """Returns what the estimate of some cells of a task and an agent rests on."""
    first = cells[0]
    task, agent = _task_and_agent(first)
    output = [cell.assumptions.output_tokens for cell in cells]
    latency = [cell.assumptions.latency_s for cell in cells]
    return (
        f"{task}, {agent}: episodes of {_about([cell.steps for cell in cells])} steps "
        f"({_either(cell.steps_source for cell in cells)}); "
        f"input {_either(cell.assumptions.input_source for cell in cells)}; "
        f"replies of {_about(output)} tokens "
        f"({_either(cell.assumptions.output_source for cell in cells)}) "
        f"in {_about(latency)} s ({_either(cell.assumptions.latency_source for cell in cells)})"
    )


def _about(numbers: Sequence[float]) -> str:
    low, high = f"{min(numbers):.3g}", f"{max(numbers):.3g}"
    return low if low == high else f"{low} to {high}"


def _either(words: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(words))


def _short(number: float) -> str:
    """Returns a number with three digits and a letter for its size."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
