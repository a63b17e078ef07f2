"""Gaps: how much of a score is learned in context.

A cell is held against those that differ from it in its demonstrations alone: in what a control
did to them (selectors such as `random+noise=0.5`: what follows the first `+` is the control), or
in that there are none. A gap is the mean difference of the scores on the openings that both have
played, with its 95 % bootstrap interval over these (or over the sets of demonstrations shared).
"""

import json
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from icil.results.scored import Scored, ScoredCell, as_scored
from icil.results.scores import score_gap
from icil.results.statistics import Clusters
from icil.results.store import RunStore
from icil.results.tables import Rows

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


class Gaps(Rows[Gap]):
    """All the gaps of a run."""

    kind = Gap


class _Cell(NamedTuple):
    """A cell with its scores."""

    scored: ScoredCell
    selector: str
    """Without the control."""
    control: str
    """Empty where the demonstrations are what they were."""

    @property
    def shows(self) -> bool:
        """Whether there are any demonstrations."""
        return self.scored.shown.demonstrations > 0 or self.scored.shown.context_tokens is not None

    @property
    def replays(self) -> bool:
        """Whether all that it shows is the episode that is played again."""
        forced = bool(self.scored.options.get("teacher_forced"))
        return forced and self.scored.shown.demonstrations == 1

    @property
    def played(self) -> tuple[Any, ...]:
        """What two cells must share to be compared, whatever they show."""
        cell = self.scored
        options = {key: one for key, one in cell.options.items() if key != "demo_sets"}
        return (cell.task, cell.formats, cell.player, json.dumps(options, sort_keys=True))

    @property
    def shown(self) -> tuple[Any, ...]:
        """What they must share to differ by a control alone."""
        cell = self.scored
        sets = str(cell.options.get("demo_sets"))
        return (*self.played, sets, replace(cell.shown, selector=self.selector))


def make_gaps(source: RunStore | Scored) -> Gaps:
    """Computes the gaps of a run, finished or not.

    A cell with an overlong episode has no score, and so no gap. Neither has one that is shown
    nothing but the episode that it plays again: what it would learn is the answer.
    """
    cells = [_cell(cell) for cell in as_scored(source).cells if not cell.overlong]
    true = [cell for cell in cells if cell.shows and not cell.control and not cell.replays]
    gaps = [
        replace(gap, format=format)
        for cell in true
        for other in cells
        if (control := _difference(cell, other)) and (gap := _gap(cell, other, control))
        for format in cell.scored.formats
    ]

    def place(gap: Gap) -> tuple[Any, ...]:
        size = (gap.context_tokens or 0, gap.demonstrations)
        return (gap.task, gap.format, gap.agent, gap.selector, *size, gap.control)

    return Gaps(tuple(sorted(gaps, key=place)))


def _cell(cell: ScoredCell) -> _Cell:
    selector, _, control = cell.shown.selector.partition(CONTROL)
    return _Cell(cell, selector, control)


def _difference(cell: _Cell, other: _Cell) -> str:
    """Returns the control that alone tells another cell from a true one; empty if none does."""
    if other.control and other.shown == cell.shown:
        return other.control
    return NO_DEMONSTRATIONS if not other.shows and other.played == cell.played else ""


def _gap(cell: _Cell, other: _Cell, control: str) -> Gap | None:
    openings = [opening for opening in cell.scored.scores if opening in other.scored.scores]
    if not openings:
        return None
    mine, theirs = cell.scored.values(openings), other.scored.values(openings)
    clusters = Clusters.joined(cell.scored.clusters(openings), other.scored.clusters(openings))
    found = score_gap(mine, theirs, clusters)
    return Gap(
        task=cell.scored.task,
        format="",
        agent=cell.scored.agent,
        selector=cell.selector,
        demonstrations=cell.scored.demonstrations,
        context_tokens=cell.scored.shown.context_tokens,
        control=control,
        openings=len(openings),
        score_mean=float(mine.mean()),
        control_mean=float(theirs.mean()),
        gap=found.mean,
        gap_ci_low=found.low,
        gap_ci_high=found.high,
    )
