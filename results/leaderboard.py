"""The leaderboard: a row for each cell, ranked within its task and format.

A player that looks at no observation (random, expert) is played once a task and stands
beside the others in each of the task's formats. A cell with an overlong episode has no
score: a mean over the episodes that happened to fit would flatter it. Rows of several runs are
ranked together where they stand on the same ground (`scored.py`), else apart. A row that cannot be
told apart from the one above (paired by opening, Holm within the ranking) is marked as tied.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import Any, Literal

import numpy as np

from icil.results.scored import PLAYERS, Scored, ScoredCell, as_scored
from icil.results.scored import budget as budget
from icil.results.scored import count_demonstrations as count_demonstrations
from icil.results.scores import Estimates, Sample, estimate_samples
from icil.results.statistics import LEVEL, Clusters, Floats, holm, sign_flip_p, unit_sums
from icil.results.store import RunStore
from icil.results.tables import CsvTable, to_csv

_BESIDE: Mapping[str, Any] = {"beside": True}
"""Marks what a row knows beside the columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of `leaderboard.csv`; the fields are its columns, in their order.

    None is an empty field: not measured, or not defined.
    """

    rank: int | None
    """Within task and format, from 1; equal means share a rank. None for a cell without a score
    and for one that is not finished."""
    task: str
    format: str
    agent: str
    """With the options that tell it from the agent's other rows, in brackets."""
    selector: str
    """Empty where no demonstrations are shown."""
    demonstrations: int
    """Where a budget is filled: the mean over the episodes, rounded."""
    context_tokens: int | None
    """The budget that is filled with demonstrations; None for a number of them."""
    episodes: int
    """Those that count: the ones that are done."""
    errors: int
    score_mean: float | None
    score_ci_low: float | None
    score_ci_high: float | None
    random_mean: float | None
    expert_mean: float | None
    normalized_mean: float | None
    normalized_ci_low: float | None
    normalized_ci_high: float | None
    invalid_rate: float | None
    illegal_rate: float | None
    empty_rate: float | None
    expert_agreement: float | None
    steps_mean: float | None
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float | None
    """Of all episodes; None where the price of a step is not known."""
    latency_p50_s: float | None
    experiment_hash: str
    note: str = field(default="", metadata=_BESIDE)
    """Why there is no rank: `overlong` (a prompt does not fit), `unfinished`."""
    tied: bool = field(default=False, metadata=_BESIDE)
    """Whether it cannot be told apart from the row above."""
    drawn: Literal["openings", "sets", "one set"] = field(default="openings", metadata=_BESIDE)
    """What its intervals resample; `one set`: they hold for the demonstrations that were shown."""
    run: str = field(default="", compare=False, metadata=_BESIDE)
    """The run folder."""
    icil: str = field(default="", metadata=_BESIDE)
    """The version that made the run."""
    ground: str = field(default="", metadata=_BESIDE)
    """What sets the row apart from others of its task and format that it is not ranked with."""


COLUMNS = tuple(one.name for one in fields(Row) if not one.metadata)
PROVENANCE = ("run", "icil", "ground", "note")
"""Columns behind the others where several runs are merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard(CsvTable):
    """All the rows of a run, or of several."""

    rows: tuple[Row, ...]
    experiment: Mapping[str, Any] = field(default_factory=dict)
    """What was played, as the store has it; of several runs, what they have in common."""
    notes: tuple[str, ...] = ()
    """What must be known to read it."""
    merged: bool = False
    """Whether it is of several runs."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its CSV file."""
        return (*COLUMNS, *PROVENANCE) if self.merged else COLUMNS

    @property
    def groups(self) -> Iterator[tuple[tuple[str, str, str], list[Row]]]:
        """The rows that are ranked together, by task, format and ground."""
        for key, rows in groupby(self.rows, key=lambda row: (row.task, row.format, row.ground)):
            yield key, list(rows)

    def to_csv(self) -> str:
        """Returns the rows as CSV, numbers with up to six significant digits."""
        return to_csv(
            self.columns, ([getattr(row, name) for name in self.columns] for row in self.rows)
        )


def make_leaderboard(source: RunStore | Scored) -> Leaderboard:
    """Computes the leaderboard of a run from its store, or of several that were read."""
    scored = as_scored(source)
    found: list[tuple[Row, ScoredCell]] = []
    estimates = _estimates(scored.cells)
    for cell in scored.cells:
        row = _row(cell, scored.ground(cell), estimates.get(id(cell)))
        found.extend((replace(row, format=format), cell) for format in cell.formats)
    found.sort(key=lambda one: _place(one[0]))
    rows: list[Row] = []
    for _, group in groupby(found, key=lambda one: (one[0].task, one[0].format, one[0].ground)):
        rows.extend(_ranked(list(group)))
    return Leaderboard(
        rows=tuple(rows),
        experiment=_common(scored.experiments),
        notes=tuple(_notes(scored)),
        merged=len(scored.runs) > 1,
    )


def _estimates(cells: Iterable[ScoredCell]) -> dict[int, Estimates]:
    """Returns what is estimated of the cells that have a score, by their ids."""
    scored = [cell for cell in cells if cell.scores and not cell.overlong]
    samples = [
        Sample(
            scores=cell.values(openings),
            **_players(cell),
            clusters=cell.clusters(openings),
        )
        for cell in scored
        for openings in [list(cell.scores)]
    ]
    return dict(zip(map(id, scored), estimate_samples(samples), strict=True))


def _players(cell: ScoredCell) -> dict[str, Floats]:
    """Returns the scores of the reference players that have played all of a cell's openings."""
    return {
        name: np.array([cell.players[name][opening] for opening in cell.scores])
        for name in PLAYERS
        if cell.scores.keys() <= cell.players.get(name, {}).keys()
    }


def _row(cell: ScoredCell, ground: str, estimates: Estimates | None) -> Row:
    done = cell.episodes[cell.episodes["status"] == "done"]
    score, normalized = estimates or (None, None)
    reference = _players(cell) if score else {}
    steps = int(done["steps"].sum())
    known = int(done["agreement_known"].sum())
    return Row(
        rank=None,
        task=cell.task,
        format="",
        agent=cell.agent,
        selector=cell.shown.selector,
        demonstrations=cell.demonstrations,
        context_tokens=cell.shown.context_tokens,
        episodes=len(done),
        errors=cell.errors,
        score_mean=score.mean if score else None,
        score_ci_low=score.low if score else None,
        score_ci_high=score.high if score else None,
        random_mean=float(reference["random"].mean()) if "random" in reference else None,
        expert_mean=float(reference["expert"].mean()) if "expert" in reference else None,
        normalized_mean=normalized.mean if normalized else None,
        normalized_ci_low=normalized.low if normalized else None,
        normalized_ci_high=normalized.high if normalized else None,
        invalid_rate=done["invalid"].sum() / steps if steps else None,
        illegal_rate=done["illegal"].sum() / steps if steps else None,
        empty_rate=done["empty"].sum() / steps if steps else None,
        expert_agreement=done["agreed"].sum() / known if known else None,
        steps_mean=steps / len(done) if len(done) else None,
        input_tokens=int(cell.episodes["input_tokens"].sum()),
        cached_input_tokens=int(cell.episodes["cached_input_tokens"].sum()),
        output_tokens=int(cell.episodes["output_tokens"].sum()),
        cost_usd=cell.cost_usd,
        latency_p50_s=cell.latency_p50_s,
        experiment_hash=cell.source.experiment_hash,
        note="overlong" if cell.overlong else "" if cell.finished else "unfinished",
        drawn=cell.clusters(list(cell.scores)).kind,
        run=cell.source.run,
        icil=cell.source.icil,
        ground=ground,
    )


def _place(row: Row) -> tuple[Any, ...]:
    """Returns where a row stands: by falling score, those without a score last."""
    unscored = row.score_mean is None
    score = 0.0 if row.score_mean is None else -row.score_mean
    who = (row.agent, row.selector, row.demonstrations, row.context_tokens or 0, row.run)
    return (row.task, row.format, row.ground, unscored, score, *who)


def _ranked(group: Sequence[tuple[Row, ScoredCell]]) -> Iterator[Row]:
    """Yields the rows of a ranking with their ranks, and marks those that are tied."""
    ranked = [i for i, (row, _) in enumerate(group) if row.score_mean is not None and not row.note]
    below = ranked[1:]
    pairs = [(group[one][1], group[other][1]) for one, other in zip(ranked, below, strict=False)]
    tied = dict(zip(below, _tied(pairs), strict=True))
    position = rank = 0
    last: float | None = None
    for i, (row, _) in enumerate(group):
        if i not in ranked:
            yield row
            continue
        position += 1
        if row.score_mean != last:
            rank, last = position, row.score_mean
        yield replace(row, rank=rank, tied=tied.get(i, False))


def _tied(pairs: Iterable[tuple[ScoredCell, ScoredCell]]) -> list[bool]:
    """Returns which pairs cannot be told apart on the openings that both have played."""
    units = []
    for one, other in pairs:
        openings = [opening for opening in one.scores if opening in other.scores]
        clusters = Clusters.joined(one.clusters(openings), other.clusters(openings))
        units.append(unit_sums(one.values(openings) - other.values(openings), clusters))
    return [p > LEVEL for p in holm(sign_flip_p(units))]


def _common(experiments: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    first, *others = experiments
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in others)
    }


def _other_pools(cells: Iterable[ScoredCell]) -> Iterator[str]:
    """Yields of which tasks demonstrations of several pools were shown."""
    pools: dict[str, dict[str, set[str]]] = {}
    for cell in cells:
        if cell.pool is not None:
            pools.setdefault(cell.task, {}).setdefault(cell.pool, set()).add(cell.source.run)
    for task, found in sorted(pools.items()):
        if len(found) > 1:
            told = (f"{', '.join(sorted(runs))}: {pool[:12]}" for pool, runs in found.items())
            yield (
                f"the demonstrations of {task} are of several pools ({'; '.join(sorted(told))}): "
                "cells that show those of different pools are ranked together, but not compared"
            )


def _replies(cells: Iterable[ScoredCell]) -> Iterator[str]:
    """Yields whose replies another reading would count otherwise, and whose were cut."""
    read: dict[tuple[str, bool], list[ScoredCell]] = {}
    for cell in cells:
        read.setdefault((cell.agent, cell.options.get("parse") == "lenient"), []).append(cell)
    for (agent, lenient), alike in sorted(read.items()):
        done = [cell.episodes[cell.episodes["status"] == "done"] for cell in alike]
        steps, ambiguous, cut = (
            int(sum(episodes[name].sum() for episodes in done))
            for name in ("steps", "ambiguous", "cut")
        )
        told = []
        if ambiguous:
            how = "are actions only as they are" if lenient else "would be actions if they were"
            told.append(f"{ambiguous} ({ambiguous / steps:.1%}) {how} read leniently")
        if cut:
            told.append(f"{cut} ({cut / steps:.1%}) were cut off as too long (--max-output-tokens)")
        if told:
            yield f"of {steps} replies of {agent} {', '.join(told)}"


def _notes(scored: Scored) -> Iterator[str]:
    """Yields what must be known to read the rows: of replies, and of merged runs."""
    yield from _replies(scored.cells)
    yield from _other_pools(scored.cells)
    for task, names in scored.grounds.items():
        if len(names) < 2:
            continue
        runs: dict[str, set[str]] = {}
        for cell in scored.cells:
            if cell.task == task:
                runs.setdefault(scored.ground(cell), set()).add(cell.source.run)
        played = "; ".join(
            f"{', '.join(sorted(of_ground))}: {name}" for name, of_ground in sorted(runs.items())
        )
        yield f"cells of {task} that were not played alike are ranked apart ({played})"
        folders = {run for of_ground in runs.values() for run in of_ground}
        if len(folders) == 1:
            yield "`icil run --out DIR` plays what was asked for of all cells and is missing"
    versions = {run.icil for run in scored.runs}
    if len(versions) > 1:
        listed = "; ".join(f"{run.run}: {run.icil or 'not recorded'}" for run in scored.runs)
        yield f"the runs are of several versions of icil ({listed})"
