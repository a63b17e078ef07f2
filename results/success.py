"""Success: in how many episodes the goal was met, of worlds that have one.

A goal may be met at any step of an episode (what robot benchmarks report), or at its last. Each
share has Wilson's 95 % interval (1927), which also serves few episodes and shares of 0 and 1. In a
teacher-forced run the demonstrated actions are played, whatever the agent says: there is no success
of its own. A cell with an overlong episode has none either, as it has no score.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from icil.results.frames import latencies_frame
from icil.results.scored import Scored, ScoredCell, read_scored
from icil.results.statistics import Floats
from icil.results.store import RunStore
from icil.results.tables import Rows

SUCCESS = "success.csv"
"""The file's name in a run folder."""

_LEVEL = 0.95
_MET = """
SELECT e.id, MAX(s.success), (
    SELECT l.success FROM steps l WHERE l.episode = e.id AND l.attempt = e.attempt
    ORDER BY l.step DESC LIMIT 1
) AS last
FROM episodes e JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt
WHERE e.status = 'done'
GROUP BY e.id
HAVING last IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A row of `success.csv`; the fields are its columns, in their order."""

    task: str
    format: str
    agent: str
    """As on the leaderboard."""
    selector: str
    """Empty where no demonstrations are shown."""
    demonstrations: int
    context_tokens: int | None
    episodes: int
    """Those that are done."""
    success_any: float
    """Share of the episodes in which the goal was met at any step."""
    success_any_ci_low: float
    success_any_ci_high: float
    success_last: float
    """Share of the episodes in which it was met at the last step."""
    success_last_ci_low: float
    success_last_ci_high: float
    calls: int
    """Answers that were waited for, those of attempts and episodes that do not count included."""
    latency_mean_s: float | None
    """Of these, seconds; None where nobody was waited for."""
    latency_p50_s: float | None
    latency_p95_s: float | None


class Successes(Rows[Success]):
    """Those of a run."""

    kind = Success


def make_success(store: RunStore, scored: Scored | None = None) -> Successes:
    """Counts the successes of a run, finished or not; of tasks without a goal there is no row.

    Args:
        store: The run.
        scored: What was scored in it, where that was read already.
    """
    if store.meta()["experiment"].get("teacher_forced"):
        return Successes(())
    met = {id: (any_, last) for id, any_, last in store.rows(_MET)[1]}
    if not met:
        return Successes(())
    numbers, latencies = store.cells(), latencies_frame(store).groupby("cell")["latency_s"]
    waited = {cell: of_cell.to_numpy() for cell, of_cell in latencies}
    rows: list[Success] = []
    for cell in (scored or read_scored(store)).cells:
        found = [met[id] for id in cell.episodes["episode"].tolist() if id in met]
        if found and not cell.overlong:
            rows.extend(_rows(cell, found, waited.get(numbers[cell.hash], np.zeros(0))))

    def place(row: Success) -> tuple[object, ...]:
        size = (row.context_tokens or 0, row.demonstrations)
        return (row.task, row.format, row.agent, row.selector, *size)

    return Successes(tuple(sorted(rows, key=place)))


class _Share(NamedTuple):
    """A share, with Wilson's interval."""

    mean: float
    low: float
    high: float


def _share(count: int, of: int) -> _Share:
    from scipy.stats import binomtest

    bounds = binomtest(count, of).proportion_ci(_LEVEL, method="wilson")
    return _Share(count / of, float(bounds.low), float(bounds.high))


def _rows(cell: ScoredCell, met: Sequence[tuple[int, int]], waited: Floats) -> Iterator[Success]:
    at_any, at_last = (_share(sum(one), len(met)) for one in zip(*met, strict=True))
    middle, slow = np.percentile(waited, (50, 95)).tolist() if len(waited) else (None, None)
    for format in cell.formats:
        yield Success(
            task=cell.task,
            format=format,
            agent=cell.agent,
            selector=cell.shown.selector,
            demonstrations=cell.demonstrations,
            context_tokens=cell.shown.context_tokens,
            episodes=len(met),
            success_any=at_any.mean,
            success_any_ci_low=at_any.low,
            success_any_ci_high=at_any.high,
            success_last=at_last.mean,
            success_last_ci_low=at_last.low,
            success_last_ci_high=at_last.high,
            calls=len(waited),
            latency_mean_s=float(waited.mean()) if len(waited) else None,
            latency_p50_s=middle,
            latency_p95_s=slow,
        )
