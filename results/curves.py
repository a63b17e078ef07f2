"""Curves: how agents imitate, over the step number.

    agreement   share of the episodes that reach a step whose choice there is the expert's
    copies      share of them whose choice there is that of the nearest demonstrated state
    on_course   share of all episodes that have not left the expert's course, this step included;
                one that has ended stays where it was

An agent that looks at no observation stands beside the others in each of its task's formats.
Intervals are 95 % percentile bootstraps over whole episodes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from icil.results.frames import cells_frame, episodes_frame, imitation_frame
from icil.results.scored import budget, count_demonstrations
from icil.results.scores import Estimate, Floats, pooled_shares
from icil.results.store import RunStore
from icil.results.tables import CsvTable, to_csv

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("agreement", "copies", "on_course")
_CELL = ("task", "format", "agent", "selector", "demonstrations")
_BOUNDS = tuple(f"{name}_ci_{end}" for name in MEASURES for end in ("low", "high"))
COLUMNS = (*_CELL, "step", "n", *MEASURES, *_BOUNDS, "context_tokens")
"""Of `imitation.csv`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """How a cell imitates at one step. What is None was not measured."""

    step: int
    """From 0."""
    n: int
    """The measured episodes that have this step."""
    agreement: Estimate | None
    copies: Estimate | None
    on_course: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How a cell imitates. What is None was not measured."""

    task: str
    format: str
    agent: str
    selector: str
    """Empty where no demonstrations are shown."""
    demonstrations: int
    context_tokens: int | None
    episodes: int
    """Those that were measured."""
    agreement: Estimate | None
    """Over all their steps."""
    copies: Estimate | None
    """Over all their steps."""
    on_course: Estimate | None
    """The share of them that never leave the expert's course."""
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Curves(CsvTable):
    """All the curves of a run."""

    rows: tuple[Curve, ...]

    def to_csv(self) -> str:
        """Returns a row for each cell and step as CSV."""
        return to_csv(COLUMNS, (row for curve in self.rows for row in _rows(curve)))


def make_curves(store: RunStore) -> Curves:
    """Computes the curves of what was measured of a run."""
    formats: Mapping[str, list[str]] = store.meta()["formats"]
    cells, episodes, steps = cells_frame(store), episodes_frame(store), imitation_frame(store)
    by_cell, measured = dict(iter(episodes.groupby("cell"))), dict(iter(steps.groupby("cell")))
    found: list[Curve] = []
    for _, cell in cells[cells["asked"] == 1].iterrows():
        number, task, format = int(cell["cell"]), str(cell["task"]), str(cell["format"])
        if number not in measured:
            continue
        estimates = _Estimates(measured[number])
        shown = count_demonstrations(cell, by_cell[number])
        found.extend(
            Curve(
                task=task,
                format=one,
                agent=str(cell["agent"]),
                selector=str(cell["selector"]),
                demonstrations=shown,
                context_tokens=budget(cell),
                **estimates.whole,
                points=estimates.points,
            )
            for one in ([format] if format else formats[task])
        )

    def place(curve: Curve) -> tuple[Any, ...]:
        size = (curve.context_tokens or 0, curve.demonstrations)
        return (curve.task, curve.format, curve.agent, curve.selector, *size)

    return Curves(tuple(sorted(found, key=place)))


class _Estimates:
    """What is estimated of a cell.

    Args:
        steps: Those of its measured episodes.
    """

    def __init__(self, steps: "pd.DataFrame") -> None:
        agrees, copies = (_by_step(steps, name) for name in ("agrees", "copies"))
        ends = steps.groupby("episode", sort=False)[["expert", "departs"]].first()
        departs = ends["departs"].fillna(np.inf).to_numpy()[:, None]
        asked = ends["expert"].to_numpy()[:, None] == 1
        count = agrees.shape[1]
        course = np.where(asked, departs > np.arange(count), np.nan)
        columns = [
            _pooled(agrees),
            _pooled(copies),
            _single(course[:, -1:]),
            *map(_single, (agrees, copies, course)),
        ]
        hits, tries = (np.concatenate(parts, axis=1) for parts in zip(*columns, strict=True))
        found = pooled_shares(hits, tries)
        self.whole: dict[str, Any] = {
            "episodes": len(ends),
            **dict(zip(MEASURES, found, strict=False)),
        }
        reaching = steps.groupby("step").size()
        self.points = tuple(
            Point(
                step=step,
                n=int(reaching[step]),
                agreement=found[3 + step],
                copies=found[3 + count + step],
                on_course=found[3 + 2 * count + step],
            )
            for step in range(count)
        )


def _by_step(steps: "pd.DataFrame", name: str) -> Floats:
    """Returns a column as an array of shape (episodes, steps), NaN where there is nothing."""
    wide = steps.pivot(index="episode", columns="step", values=name)
    return wide.loc[steps["episode"].unique()].to_numpy(np.float64)


def _single(values: Floats) -> tuple[Floats, Floats]:
    """Returns each column's hits and tries."""
    known = ~np.isnan(values)
    return np.where(known, values, 0.0), known.astype(np.float64)


def _pooled(values: Floats) -> tuple[Floats, Floats]:
    """Returns the hits and tries of all columns together, as one."""
    hits, tries = _single(values)
    return hits.sum(axis=1, keepdims=True), tries.sum(axis=1, keepdims=True)


def _rows(curve: Curve) -> Iterator[list[object]]:
    cell = [getattr(curve, name) for name in _CELL]
    for point in curve.points:
        found = [getattr(point, name) for name in MEASURES]
        means = [one and one.mean for one in found]
        bounds = [
            bound for one in found for bound in ((one.low, one.high) if one else (None, None))
        ]
        yield [*cell, point.step, point.n, *means, *bounds, curve.context_tokens]
