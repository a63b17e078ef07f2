"""The columns of a run's data frames, with their types.

`Int64`, `Float64`, `boolean` and `string` are pandas' own types: what is not known is `<NA>`,
never a number that looks like one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from icil.results.leaderboard import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

Types = Mapping[str, str]

_CELL: Types = {
    "cell": "Int64",
    "cell_hash": "string",
    "task": "string",
    "format": "string",
    "agent": "string",
    "selector": "string",
    "demonstrations": "Int64",
    "context_tokens": "Int64",
    "asked": "boolean",
}
_CELL_OF = (
    "c.id, c.hash, c.task, c.format, c.agent, c.selector, c.demonstrations, c.context_tokens, "
    "c.asked"
)
_USAGE: Types = {
    "input_tokens": "Int64",
    "cached_input_tokens": "Int64",
    "cache_write_tokens": "Int64",
    "output_tokens": "Int64",
    "reasoning_tokens": "Int64",
    "images": "Int64",
    "cost_usd": "Float64",
    "latency_s": "Float64",
    "model": "string",
    "finish": "string",
    "detail": "string",
}
_SPENT = ", ".join(f"s.{name}" for name in _USAGE)
_PLACE: Types = {
    "cell": "Int64",
    "task": "string",
    "format": "string",
    "agent": "string",
    "selector": "string",
    "demonstrations": "Int64",
    "context_tokens": "Int64",
    "episode": "Int64",
    "opening": "Int64",
}
_PLACE_OF = (
    "c.id, c.task, c.format, c.agent, c.selector, c.demonstrations, c.context_tokens, e.id, "
    "e.opening"
)


class Columns(NamedTuple):
    """A data frame: the query that fills it, and its columns' types."""

    query: str
    types: Types


CELLS = Columns(
    f"SELECT {_CELL_OF}, c.options FROM cells c ORDER BY c.id", {**_CELL, "options": "string"}
)

EPISODES = Columns(
    f"""
    SELECT {_CELL_OF}, e.id, e.opening, e.status, e.score, e.message, e.attempt, e.left_out,
           e.leaked, e.near, json_array_length(e.demonstrations),
           COALESCE(SUM(s.attempt = e.attempt), 0),
           COALESCE(SUM(s.attempt = e.attempt AND s.status = 'invalid'), 0),
           COALESCE(SUM(s.attempt = e.attempt AND s.status = 'illegal'), 0),
           COALESCE(SUM(s.attempt = e.attempt AND s.status = 'empty'), 0),
           SUM(CASE WHEN s.attempt = e.attempt THEN s.agrees END),
           COUNT(CASE WHEN s.attempt = e.attempt THEN s.agrees END),
           i.departs,
           COALESCE(SUM(s.input_tokens), 0), COALESCE(SUM(s.cached_input_tokens), 0),
           COALESCE(SUM(s.output_tokens), 0),
           CASE WHEN COUNT(s.step) = COUNT(s.cost_usd) THEN TOTAL(s.cost_usd) END
    FROM cells c
    JOIN episodes e ON e.cell = c.id
    LEFT JOIN imitation i ON i.episode = e.id
    LEFT JOIN steps s ON s.episode = e.id
    GROUP BY e.id
    ORDER BY c.id, e.opening
    """,
    {
        **_CELL,
        "episode": "Int64",
        "opening": "Int64",
        "status": "string",
        "score": "Float64",
        "message": "string",
        "attempt": "Int64",
        "left_out": "Int64",
        "leaked": "Int64",
        "near": "Int64",
        "shown": "Int64",
        "steps": "Int64",
        "invalid": "Int64",
        "illegal": "Int64",
        "empty": "Int64",
        "agreed": "Int64",
        "agreement_known": "Int64",
        "departs": "Int64",
        "input_tokens": "Int64",
        "cached_input_tokens": "Int64",
        "output_tokens": "Int64",
        "cost_usd": "Float64",
    },
)

STEPS = Columns(
    f"""
    SELECT {_PLACE_OF}, s.step, s.reply, s.status, s.otherwise, s.reason, s.action, s.agrees,
           s.copies, s.expected, s.reward, s.outcome, s.success, s.prompt IS NOT NULL,
           {_SPENT}
    FROM steps s
    JOIN episodes e ON e.id = s.episode AND e.attempt = s.attempt
    JOIN cells c ON c.id = e.cell
    ORDER BY c.id, e.opening, s.step
    """,
    {
        **_PLACE,
        "step": "Int64",
        "reply": "string",
        "status": "string",
        "otherwise": "string",
        "reason": "string",
        "action": "string",
        "agrees": "boolean",
        "copies": "boolean",
        "expected": "string",
        "reward": "Float64",
        "outcome": "string",
        "success": "boolean",
        "prompted": "boolean",
        **_USAGE,
    },
)

CALLS = Columns(
    f"""
    SELECT {_PLACE_OF}, s.attempt, s.step, s.attempt = e.attempt, {_SPENT}, s.parameters, s.dropped
    FROM steps s
    JOIN episodes e ON e.id = s.episode
    JOIN cells c ON c.id = e.cell
    WHERE s.prompt IS NOT NULL OR s.latency_s IS NOT NULL
    ORDER BY c.id, e.opening, s.attempt, s.step
    """,
    {
        **_PLACE,
        "attempt": "Int64",
        "step": "Int64",
        "counts": "boolean",
        **_USAGE,
        "parameters": "string",
        "dropped": "string",
    },
)

_WORDS = ("task", "format", "agent", "selector", "experiment_hash")
_COUNTS = (
    "rank",
    "demonstrations",
    "context_tokens",
    "episodes",
    "errors",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
)
LEADERBOARD: Types = {
    name: "string" if name in _WORDS else "Int64" if name in _COUNTS else "Float64"
    for name in COLUMNS
}


def to_frame(rows: Iterable[Sequence[object]], types: Types) -> "pd.DataFrame":
    """Returns rows as a data frame with columns of these types; None is `<NA>`."""
    import pandas as pd

    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    return pd.DataFrame(
        {
            name: pd.array(list(values), dtype=type)  # type: ignore[call-overload]
            for (name, type), values in zip(types.items(), columns, strict=True)
        }
    )
