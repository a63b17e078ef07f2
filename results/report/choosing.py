"""Which episodes come first, where not all of them fit into a page.

The cells take turns, so that each is there with as many episodes as the others; those of models
before those of the built-in players. Within a cell the episodes with the most wrong replies come
first, then the lowest openings: those are the same in every cell, and can be compared.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from icil.results.records import CellRecord
from icil.results.report.runs import EpisodeLine, ReportedRun

_BUILT_IN = ("nearest", "replay", "random", "expert")
"""Players that say nothing worth reading, the most interesting first."""


class Chosen(NamedTuple):
    """An episode of one of several runs."""

    run: int
    """The run's place among the runs."""
    line: EpisodeLine


def choose_episodes(
    runs: Sequence[ReportedRun], lines: Iterable[Sequence[EpisodeLine]]
) -> list[Chosen]:
    """Returns all the episodes of runs, the most interesting first.

    Args:
        runs: The runs.
        lines: The episodes of each.
    """
    cells: dict[tuple[int, int], list[EpisodeLine]] = {}
    for number, of_run in enumerate(lines):
        for line in of_run:
            cells.setdefault((number, line.cell), []).append(line)
    turns: list[tuple[tuple[int, int, int, int], Chosen]] = []
    for (run, cell), found in cells.items():
        place = _place(runs[run].cells[cell])
        for turn, line in enumerate(sorted(found, key=_interest)):
            turns.append(((turn, place, run, cell), Chosen(run, line)))
    return [chosen for _, chosen in sorted(turns, key=lambda one: one[0])]


def _place(cell: CellRecord) -> int:
    known = _BUILT_IN.index(cell.agent) + 1 if cell.agent in _BUILT_IN else 0
    return known + (0 if cell.asked else len(_BUILT_IN))


def _interest(line: EpisodeLine) -> tuple[bool, int, int]:
    return line.steps == 0, -line.wrong, line.opening
