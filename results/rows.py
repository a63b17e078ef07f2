"""Rows of the run store: records as columns, and back. The columns stand in `schema.sql`."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from icil.results.records import Answer, CellRecord, EpisodeRecord, Played, StepRecord

INSERT_CELL = (
    "INSERT INTO cells (hash, task, format, agent, selector, demonstrations, context_tokens, "
    "options, asked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_PART = "INSERT INTO parts VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING"
INSERT_STEP = (
    "INSERT INTO steps (episode, attempt, step, shown, question, prefix, demonstrations, reasons, "
    "prompt, reply, status, otherwise, reason, action, agrees, input_tokens, cached_input_tokens, "
    "cache_write_tokens, output_tokens, reasoning_tokens, images, cost_usd, latency_s, model, "
    f"finish, detail, parameters, dropped) VALUES ({', '.join('?' * 28)})"
)


def cell_row(cell: CellRecord) -> tuple[Any, ...]:
    """Returns a cell for `INSERT_CELL`."""
    return (
        cell.hash,
        cell.task,
        cell.format,
        cell.agent,
        cell.selector,
        cell.demonstrations,
        cell.context_tokens,
        to_json(cell.options),
        int(cell.asked),
    )


def step_row(episode: EpisodeRecord, step: int, answer: Answer) -> tuple[Any, ...]:
    """Returns a step, of which the world's answer is not known yet, for `INSERT_STEP`."""
    usage = answer.usage
    return (
        episode.id,
        episode.attempt,
        step,
        b"".join(answer.shown),
        b"".join(answer.question),
        answer.prefix,
        None if answer.demonstrations is None else to_json(list(answer.demonstrations)),
        None if answer.reasons is None else reasons_row(answer.reasons),
        answer.prompt,
        answer.reply,
        answer.status,
        answer.otherwise,
        answer.reason,
        answer.action,
        answer.agrees,
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.images,
        usage.cost_usd,
        usage.latency_s,
        answer.model,
        answer.finish,
        answer.detail,
        None if answer.parameters is None else to_json(answer.parameters),
        to_json(answer.dropped) if answer.dropped else None,
    )


def read_steps(db: sqlite3.Connection, episode: int, attempt: int) -> Iterator[StepRecord]:
    """Yields the steps of an attempt at an episode, in their order."""
    rows = db.execute(
        "SELECT step, prompt, reply, action, reward, outcome FROM steps "
        "WHERE episode = ? AND attempt = ? ORDER BY step",
        (episode, attempt),
    )
    for step, prompt, reply, action, reward, outcome in rows:
        played = None
        if reward is not None:
            played = Played(reward=reward, outcome=json.loads(outcome) if outcome else None)
        yield StepRecord(step=step, prompt=prompt, reply=reply, action=action, played=played)


def reasons_row(reasons: Iterable[str]) -> str:
    """Returns reasons as JSON: one text where all are the same, else a list."""
    each = list(reasons)
    return to_json(each[0] if len(set(each)) == 1 else each)


def to_json(value: Any) -> str:
    """Returns a value as the store keeps it: compact, with sorted keys."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
