"""Gaps: how much of a score is learned in context.

A cell is held against those that differ from it in its demonstrations alone: in what a control
did to them (selectors such as `random+noise=0.5`: what follows the first `+` is the control), or
in that there are none. A gap is the mean difference of the scores on the openings that both have
played, with its 95 % bootstrap interval over these.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from icil.results.frames import cells_frame, episodes_frame
from icil.results.leaderboard import budget, count_demonstrations, scores_by_opening
from icil.results.scores import score_gap
from icil.results.store import RunStore
from icil.results.tables import to_csv, write_whole

if TYPE_CHECKING:
    import pandas as pd

CONTROL = "+"
"""Stands between a selector's name and what was done to the demonstrations that it chose."""
NO_DEMONSTRATIONS = "0 demonstrations"
"""The control that shows none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A row of `gaps.csv`; the fields are its columns, in their order."""

    task: str
    format: str
    agent: str
    selector: str
    demonstrations: int
    context_tokens: int | None
    control: str
    """What was done to the demonstrations, such as `noise=0.5`, or `NO_DEMONSTRATIONS`."""
    openings: int
    """Those that both have played."""
    score_mean: float
    control_mean: float
    """Of the control, on the same openings."""
    gap: float
    """How much higher the score is than the control's."""
    gap_ci_low: float | None
    gap_ci_high: float | None


@dataclass(frozen=True, slots=True)
class Gaps:
    """All the gaps of a run."""

    rows: tuple[Gap, ...]

    def to_csv(self) -> str:
        """Returns the rows as CSV."""
        columns = [field.name for field in fields(Gap)]
        return to_csv(columns, ([getattr(row, name) for name in columns] for row in self.rows))

    def write(self, path: Path) -> None:
        """Writes the CSV file, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        write_whole(path, self.to_csv().encode())


class _Cell(NamedTuple):
    """A cell with its scores."""

    row: "pd.Series[Any]"
    selector: str
    """Without the control."""
    control: str
    """Empty where the demonstrations are what they were."""
    demonstrations: int
    scores: Mapping[int, float]
    """By opening."""

    @property
    def shows(self) -> bool:
        """Whether there are any demonstrations."""
        return int(self.row["demonstrations"]) > 0 or budget(self.row) is not None

    @property
    def played(self) -> tuple[Any, ...]:
        """What two cells must share to be compared, whatever they show."""
        return tuple(self.row[name] for name in ("task", "format", "agent", "options"))

    @property
    def shown(self) -> tuple[Any, ...]:
        """What they must share to differ by a control alone."""
        return (*self.played, self.selector, int(self.row["demonstrations"]), budget(self.row))


def make_gaps(store: RunStore) -> Gaps:
    """Computes the gaps of a run, finished or not.

    A cell with an overlong episode has no score, and so no gap.
    """
    cells = list(_cells(store))
    true = [cell for cell in cells if cell.shows and not cell.control]
    gaps = [
        gap
        for cell in true
        for other in cells
        if (control := _difference(cell, other)) and (gap := _gap(cell, other, control))
    ]

    def place(gap: Gap) -> tuple[Any, ...]:
        size = (gap.context_tokens or 0, gap.demonstrations)
        return (gap.task, gap.format, gap.agent, gap.selector, *size, gap.control)

    return Gaps(tuple(sorted(gaps, key=place)))


def _cells(store: RunStore) -> Iterator[_Cell]:
    cells, episodes = cells_frame(store), episodes_frame(store)
    by_cell = dict(iter(episodes.groupby("cell")))
    for _, row in cells[cells["asked"] == 1].iterrows():
        played = by_cell.get(int(row["cell"]), episodes[:0])
        if (played["status"] == "overlong").any():
            continue
        selector, _, control = str(row["selector"]).partition(CONTROL)
        count = count_demonstrations(row, played)
        yield _Cell(row, selector, control, count, scores_by_opening(played))


def _difference(cell: _Cell, other: _Cell) -> str:
    """Returns the control that alone tells another cell from a true one; empty if none does."""
    if other.control and other.shown == cell.shown:
        return other.control
    return NO_DEMONSTRATIONS if not other.shows and other.played == cell.played else ""


def _gap(cell: _Cell, other: _Cell, control: str) -> Gap | None:
    openings = sorted(cell.scores.keys() & other.scores.keys())
    if not openings:
        return None
    mine = np.array([cell.scores[opening] for opening in openings])
    theirs = np.array([other.scores[opening] for opening in openings])
    found = score_gap(mine, theirs)
    return Gap(
        task=str(cell.row["task"]),
        format=str(cell.row["format"]),
        agent=str(cell.row["agent"]),
        selector=cell.selector,
        demonstrations=cell.demonstrations,
        context_tokens=budget(cell.row),
        control=control,
        openings=len(openings),
        score_mean=float(mine.mean()),
        control_mean=float(theirs.mean()),
        gap=found.mean,
        gap_ci_low=found.low,
        gap_ci_high=found.high,
    )
