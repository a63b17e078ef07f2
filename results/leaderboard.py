"""The leaderboard: a row for each cell, ranked within its task and format.

A player that looks at no observation (random, expert) is played once a task and stands
beside the others in each of the task's formats. A cell with an overlong episode has no
score: a mean over the episodes that happened to fit would flatter it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from icil.results.frames import cells_frame, episodes_frame, latencies_frame
from icil.results.scores import Estimate, mean_score, normalized_score
from icil.results.store import RunStore
from icil.results.tables import to_csv, write_whole

if TYPE_CHECKING:
    import pandas as pd


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
    note: str = ""
    """Why there is no rank: `overlong` (a prompt does not fit), `unfinished`; no column."""


COLUMNS = tuple(one.name for one in fields(Row) if one.name != "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """All the rows of a run."""

    rows: tuple[Row, ...]
    experiment: Mapping[str, Any] = field(default_factory=dict)
    """What was played, as the store has it."""

    def to_csv(self) -> str:
        """Returns the rows as CSV, numbers with up to six significant digits."""
        return to_csv(COLUMNS, ([getattr(row, name) for name in COLUMNS] for row in self.rows))

    def write(self, path: Path) -> None:
        """Writes the CSV file, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        write_whole(path, self.to_csv().encode())


def make_leaderboard(store: RunStore) -> Leaderboard:
    """Computes a run's leaderboard from its store."""
    meta = store.meta()
    cells, episodes = cells_frame(store), episodes_frame(store)
    formats: Mapping[str, list[str]] = meta["formats"]
    planned: int = meta["experiment"]["episodes"]
    latencies = latencies_frame(store).groupby("cell")["latency_s"].median().to_dict()
    found: list[Row] = []
    by_cell = dict(iter(episodes.groupby("cell")))
    for task, of_task in cells.groupby("task"):
        blind = of_task[of_task["format"] == ""]
        players = {
            str(agent): scores_by_opening(by_cell.get(cell, episodes[:0]))
            for agent, cell in zip(blind["agent"], blind["cell"], strict=True)
            if agent in ("random", "expert")
        }
        for _, cell in of_task[of_task["asked"] == 1].iterrows():
            number = int(cell["cell"])
            played = by_cell.get(number, episodes[:0])
            row = _row(cell, played, players, latencies.get(number), meta["experiment_hash"])
            if not row.note and row.episodes + row.errors < planned:
                row = replace(row, note="unfinished")
            shown_in = formats[str(task)] if row.format == "" else [row.format]
            found.extend(replace(row, format=format) for format in shown_in)
    return Leaderboard(rows=tuple(_ranked(found)), experiment=meta["experiment"])


def scores_by_opening(episodes: "pd.DataFrame") -> dict[int, float]:
    """Returns the openings of the episodes that are done, with their scores."""
    done = episodes[episodes["status"] == "done"]
    return dict(zip(done["opening"].tolist(), done["score"].tolist(), strict=True))


def _row(
    cell: "pd.Series[Any]",
    episodes: "pd.DataFrame",
    players: Mapping[str, Mapping[int, float]],
    latency: float | None,
    experiment_hash: str,
) -> Row:
    done = episodes[episodes["status"] == "done"]
    by_opening = scores_by_opening(episodes)
    scores = np.array(list(by_opening.values()))
    overlong = bool((episodes["status"] == "overlong").any())
    score: Estimate | None = None
    if len(scores) and not overlong:
        score = mean_score(scores)
    reference = {
        name: np.array([found[opening] for opening in by_opening])
        for name, found in players.items()
        if score is not None and by_opening.keys() <= found.keys()
    }
    normalized: Estimate | None = None
    if score is not None and len(reference) == 2:
        normalized = normalized_score(scores, reference["random"], reference["expert"])
    steps = int(done["steps"].sum())
    known = int(done["agreement_known"].sum())
    return Row(
        rank=None,
        task=str(cell["task"]),
        format=str(cell["format"]),
        agent=str(cell["agent"]),
        selector=str(cell["selector"]),
        demonstrations=count_demonstrations(cell, episodes),
        context_tokens=budget(cell),
        episodes=len(done),
        errors=int((episodes["status"] == "error").sum()),
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
        input_tokens=int(episodes["input_tokens"].sum()),
        cached_input_tokens=int(episodes["cached_input_tokens"].sum()),
        output_tokens=int(episodes["output_tokens"].sum()),
        cost_usd=None if episodes["unpriced"].any() else float(episodes["cost_usd"].sum()),
        latency_p50_s=latency,
        experiment_hash=experiment_hash,
        note="overlong" if overlong else "",
    )


def budget(cell: "pd.Series[Any]") -> int | None:
    """Returns how many tokens the demonstrations of a cell fill; None where they are counted."""
    found = cell["context_tokens"]
    return None if found is None or found != found else int(found)


def count_demonstrations(cell: "pd.Series[Any]", episodes: "pd.DataFrame") -> int:
    """Returns how many are shown; where a budget is filled, how many on average."""
    if cell["demonstrations"] or budget(cell) is None or not len(episodes):
        return int(cell["demonstrations"])
    return round(float(episodes["shown"].mean()))


def _ranked(rows: Iterable[Row]) -> Iterator[Row]:
    """Yields the rows by task, format and falling score, those without a score last."""

    def place(row: Row) -> tuple[Any, ...]:
        unscored = row.score_mean is None
        score = 0.0 if row.score_mean is None else -row.score_mean
        return (row.task, row.format, unscored, score, row.agent, row.selector, row.demonstrations)

    group: tuple[str, str] | None = None
    position = rank = 0
    last: float | None = None
    for row in sorted(rows, key=place):
        if (row.task, row.format) != group:
            group, position, last = (row.task, row.format), 0, None
        if row.score_mean is None or row.note:
            yield row
            continue
        position += 1
        if last is None or row.score_mean != last:
            rank, last = position, row.score_mean
        yield replace(row, rank=rank)
