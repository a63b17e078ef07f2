"""The leaderboard's rows as cells of a table, which the page sorts and filters."""

from collections.abc import Mapping, Sequence
from typing import Any

from icil.results.display import board_legend, demonstrations, short
from icil.results.leaderboard import Leaderboard, Row
from icil.results.report.runs import ReportedRun
from icil.results.scored import Scored

COLUMNS = (
    ("rank", "#", "Rank within task and format"),
    ("run", "run", "The run's folder"),
    ("task", "task", ""),
    ("format", "format", "How states are shown"),
    ("ground", "played", "What sets it apart from others of its task, with which it is not ranked"),
    ("agent", "agent", ""),
    ("selector", "selector", "How demonstrations are chosen"),
    ("demonstrations", "demos", "Demonstrations shown"),
    ("episodes", "n", "Episodes done"),
    ("score", "score [95 %]", "Mean return over the episodes, with its 95 % bootstrap interval"),
    (
        "normalized",
        "normalised",
        "(score − random) / (expert − random), on the same openings; drawn with its 95 % interval "
        "between random (left line) and expert (right line)",
    ),
    ("wrong", "wrong", "Share of replies that were empty, invalid or illegal"),
    ("agreement", "as expert", "Share of steps at which the agent chose as the expert would"),
    ("errors", "err", "Episodes that ended in a fault of the provider"),
    ("tokens", "tokens", "Of all episodes, input and output; the share of the input from a cache"),
    ("cost", "cost", "US dollars, of all episodes"),
    ("latency", "latency", "Median seconds of a call"),
)
"""Name, heading and explanation of each."""
FILTERS = ("run", "task", "format", "agent", "selector")
_MODELS_ALONE = ("tokens", "cost")
"""Columns that are there only where a model was called."""

Cell = list[Any]
"""What is shown, what it is sorted by, and what is shown smaller beside it."""
Key = tuple[Any, ...]


def make_board(
    runs: Sequence[ReportedRun], scored: Scored, leaderboard: Leaderboard
) -> dict[str, Any]:
    """Returns the table of all runs: columns, rows, and what explains them."""
    rows, cells = leaderboard.rows, _cells(runs, scored)
    hidden = {"run"} if len(runs) == 1 else set[str]()
    hidden |= set() if any(row.ground for row in rows) else {"ground"}
    hidden |= set() if any(row.errors for row in rows) else {"errors"}
    hidden |= set() if any(row.input_tokens for row in rows) else set(_MODELS_ALONE)
    hidden |= set() if any(row.latency_p50_s is not None for row in rows) else {"latency"}
    return {
        "columns": [one for one in COLUMNS if one[0] not in hidden],
        "filters": [one for one in FILTERS if one not in hidden],
        "rows": [_row(row, *cells[_key(row.run, row.format, row)]) for row in rows],
        "legend": [*board_legend(rows), *leaderboard.notes],
    }


def _row(row: Row, run: int, cell: int) -> dict[str, Any]:
    rates = [one for one in (row.empty_rate, row.invalid_rate, row.illegal_rate) if one is not None]
    wrong = sum(rates) if rates else None
    shown: dict[str, Cell] = {
        "rank": ["" if row.rank is None else f"={row.rank}" if row.tied else str(row.rank)],
        "demonstrations": [
            demonstrations(row.demonstrations, row.context_tokens),
            row.demonstrations,
        ],
        "episodes": [
            f"{row.episodes}…" if row.note == "unfinished" else str(row.episodes),
            row.episodes,
        ],
        "score": _score(row),
        "normalized": ["–", None]
        if row.normalized_mean is None
        else [f"{row.normalized_mean:.3f}", row.normalized_mean],
        "wrong": [_share(wrong, 1), wrong],
        "agreement": [_share(row.expert_agreement), row.expert_agreement],
        "errors": [str(row.errors), row.errors],
    }
    shown["rank"].append(row.rank)
    for name in (*FILTERS, "ground"):
        text = getattr(row, name)
        shown[name] = [text, text]
    shown |= _bill(row) if row.input_tokens else {one: ["", None] for one in _MODELS_ALONE}
    latency = row.latency_p50_s
    shown["latency"] = ["" if latency is None else f"{latency:.2f} s", latency]
    interval = [row.normalized_ci_low, row.normalized_mean, row.normalized_ci_high]
    return {"run": run, "cell": cell, "interval": interval, "shown": shown}


def _bill(row: Row) -> dict[str, Cell]:
    tokens = row.input_tokens + row.output_tokens
    cached = _share(row.cached_input_tokens / row.input_tokens)
    return {
        "tokens": [short(tokens), tokens, cached],
        "cost": ["?" if row.cost_usd is None else f"${row.cost_usd:.2f}", row.cost_usd],
    }


def _cells(runs: Sequence[ReportedRun], scored: Scored) -> Mapping[Key, tuple[int, int]]:
    """Returns the run and the cell that each row is of."""
    places = {source.run: number for number, source in enumerate(scored.runs)}
    numbers = [{cell.hash: id for id, cell in run.cells.items()} for run in runs]
    return {
        _key(cell.source.run, format, cell): (place, numbers[place][cell.hash])
        for cell in scored.cells
        for place in [places[cell.source.run]]
        for format in cell.formats
    }


def _key(run: str, format: str, of: Any) -> Key:
    """Returns what tells a row from all others, of the row or of its cell."""
    shown = getattr(of, "shown", of)
    return (run, of.task, format, of.agent, shown.selector, of.demonstrations, shown.context_tokens)


def _score(row: Row) -> Cell:
    if row.score_mean is None:
        return [row.note or "–", None]
    known = row.score_ci_low is not None and row.score_ci_high is not None
    interval = f"[{row.score_ci_low:.2f}, {row.score_ci_high:.2f}]" if known else ""
    return [f"{row.score_mean:.3f}", row.score_mean, interval + "*" * (row.drawn == "one set")]


def _share(value: float | None, decimals: int = 0) -> str:
    return "–" if value is None else f"{value:.{decimals}%}"
