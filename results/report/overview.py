"""What the page knows at once: the table, the runs, the cells; episodes come when asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from icil.results.display import short
from icil.results.leaderboard import make_leaderboard
from icil.results.records import CellRecord
from icil.results.report.board import make_board
from icil.results.report.provenance import describe_run
from icil.results.report.runs import EpisodeLine, ReportedRun
from icil.results.scored import Scored

Entries = Mapping[tuple[int, int], list[list[Any]]]
"""By run and cell, the episodes that can be watched, as the page has them."""


def make_overview(
    runs: Sequence[ReportedRun], lines: Sequence[Sequence[EpisodeLine]], scored: Scored
) -> dict[str, Any]:
    """Returns what the page of a server knows at once, as JSON; takes seconds.

    Args:
        runs: The runs.
        lines: The episodes of each.
        scored: What was scored in them, in the same order.
    """
    return {
        "live": True,
        "runs": [describe_run(run, found) for run, found in zip(runs, lines, strict=True)],
        "board": make_board(runs, scored, make_leaderboard(scored)),
        "cells": [
            _cell(number, id, run.cells[id], totals[id])
            for number, (run, found) in enumerate(zip(runs, lines, strict=True))
            for totals in [Counter(line.cell for line in found)]
            for id in run.cells
        ],
        "leftOut": [],
    }


def with_episodes(
    overview: Mapping[str, Any],
    entries: Entries,
    left_out: Sequence[str],
    gaps: Mapping[str, str],
) -> dict[str, Any]:
    """Returns what a page knows at once that has episodes in it, and needs no server.

    Args:
        overview: What the page of a server knows.
        entries: The episodes.
        left_out: What is not in the page, in words.
        gaps: By episode (`RUN:ID`) why some of its pictures are not.
    """
    cells = [
        {**cell, "count": len(found), "episodes": found}
        for cell in overview["cells"]
        for found in [entries.get((cell["run"], cell["id"]), [])]
    ]
    notes = sorted(set(gaps.values()))
    return {
        **overview,
        "live": False,
        "cells": cells,
        "leftOut": list(left_out),
        "gaps": {episode: notes.index(note) for episode, note in gaps.items()},
        "notes": notes,
    }


def _cell(run: int, id: int, cell: CellRecord, total: int) -> dict[str, Any]:
    return {
        "run": run,
        "id": id,
        "hash": cell.hash,
        "task": cell.task,
        "format": cell.format or "all formats",
        "label": cell_label(cell),
        "total": total,
        "count": total,
    }


def cell_label(cell: CellRecord) -> str:
    """Returns what a cell is called beside the others of its task and format."""
    pieces = [cell.agent]
    if cell.context_tokens is not None:
        pieces.append(f"demonstrations in {short(cell.context_tokens)} tokens")
    elif cell.demonstrations:
        pieces.append(f"{cell.demonstrations} demonstrations")
    pieces += [cell.selector] if cell.selector else []
    pieces += [] if cell.asked else ["for reference"]
    return ", ".join(pieces)
