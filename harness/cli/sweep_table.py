"""What a sweep is, on the screen: its cells, and how far each of them is."""

from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from icil.harness.cli.option_words import swept_options
from icil.harness.cli.tables import shown_demonstrations
from icil.harness.folders.standing import CellStanding, Standing
from icil.harness.planning.plan import Plan

_NAMES = ("task", "format", "agent", "selector")
_NUMBERS = ("demos", "episodes", "done", "to play")


def print_sweep(standing: Standing, console: Console) -> None:
    """Prints a row for each cell of a plan, and the sums."""
    options = swept_options([one.cell.record for one in standing.cells])
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in (*_NAMES, *(["options"] if any(options) else [])):
        table.add_column(name, overflow="fold")
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    for one, told in zip(standing.cells, options, strict=True):
        record = one.cell.record
        agent = record.agent if record.asked else f"({record.agent})"
        names = [record.task, record.format, agent, record.selector]
        if any(options):
            names.append(told)
        table.add_row(*map(escape, names), shown_demonstrations(record), *_counts(one))
    console.print(table)
    for line in _sums(standing):
        console.print(line, markup=False)


def sweep_json(plan: Plan, standing: Standing) -> dict[str, Any]:
    """Returns the same as JSON."""
    return {
        "cells": [_cell_json(one) for one in standing.cells],
        "episodes": standing.episodes,
        "done": standing.counts["done"],
        "to_play": standing.left,
        "other_cells": standing.others,
        "skipped": list(plan.skipped),
    }


def _counts(one: CellStanding) -> tuple[str, ...]:
    return f"{one.episodes:,}", f"{one.done:,}", f"{one.left:,}"


def _sums(standing: Standing) -> Iterator[str]:
    done, left = standing.counts["done"], standing.left
    yield (
        f"{len(standing.cells):,} cells, {standing.episodes:,} episodes: {done:,} done, "
        f"{left:,} to play"
    )
    if any(not one.cell.record.asked for one in standing.cells):
        yield "in brackets: reference players, not asked for here, that others are held against"
    if standing.others:
        yield f"the folder holds {standing.others:,} more cells, which stay as they are"


def _cell_json(one: CellStanding) -> dict[str, Any]:
    record = one.cell.record
    names = (*_NAMES, "demonstrations", "context_tokens", "asked", "hash")
    return {
        **{name: getattr(record, name) for name in names},
        "options": dict(record.options),
        "held": one.held,
        "episodes": one.episodes,
        "done": one.done,
        "errors": one.counts.get("error", 0),
        "overlong": one.counts.get("overlong", 0),
        "to_play": one.left,
    }
