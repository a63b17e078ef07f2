"""Whether the store has the form that everything else relies on: types, references, JSON."""

import json
from collections.abc import Iterator
from typing import Any

from icil.results.rows import to_json
from icil.results.store import RunStore
from icil.results.verifying.faults import Fault, shortened

_TABLES = ("meta", "cells", "software", "episodes", "steps", "imitation", "prefixes", "parts")
_TYPES = {"INTEGER": "'integer'", "REAL": "'real', 'integer'", "TEXT": "'text'", "BLOB": "'blob'"}
_KEYS = {
    "meta": ("key",),
    "cells": ("id",),
    "software": ("id",),
    "episodes": ("id",),
    "steps": ("episode", "attempt", "step"),
    "imitation": ("episode",),
    "prefixes": ("hash",),
    "parts": ("hash",),
}
_LOST = {
    "episodes": (
        "SELECT id, NULL, NULL FROM episodes WHERE cell NOT IN (SELECT id FROM cells)",
        "its cell is not in the store",
    ),
    "steps": (
        "SELECT episode, attempt, step FROM steps WHERE episode NOT IN (SELECT id FROM episodes)",
        "its episode is not in the store",
    ),
    "imitation": (
        "SELECT episode, NULL, NULL FROM imitation WHERE episode NOT IN (SELECT id FROM episodes)",
        "its episode is not in the store",
    ),
}
_JSON = {
    "meta": ("value",),
    "cells": ("options",),
    "software": ("description",),
    "episodes": ("demonstrations", "reasons"),
    "steps": ("demonstrations", "expected", "outcome", "parameters", "dropped"),
}
_UNSCORED = "SELECT id, status, score FROM episodes WHERE (status = 'done') != (score IS NOT NULL)"
_SKIPPING = """
SELECT episode, attempt, COUNT(*), MAX(step) FROM steps GROUP BY episode, attempt
HAVING MIN(step) != 0 OR MAX(step) != COUNT(*) - 1
"""
_UNSEALED = "SELECT id, status FROM episodes WHERE (status = 'running') != (seal IS NULL)"
_META = {"experiment": dict, "experiment_hash": str, "formats": dict}
_EXPERIMENT = {
    "agent": list,
    "episodes": int,
    "pool": dict,
    "seed": int,
    "selector": list,
    "set": dict,
    "settings": dict,
    "task": dict,
    "template": str,
}


def check_structure(store: RunStore) -> Iterator[Fault]:
    """Yields what keeps a store from being read as it should be.

    Where it yields nothing, all else that reads a store can read this one.
    """
    yield from _meta(store)
    for table in _TABLES:
        yield from _types(store, table)
    for table, columns in _JSON.items():
        for column in columns:
            yield from _texts(store, table, column)
    for table, (query, what) in _LOST.items():
        for episode, attempt, step in store.rows(query)[1]:
            yield Fault(place=table, what=what, episode=episode, attempt=attempt, step=step)
    for episode, attempt, count, last in store.rows(_SKIPPING)[1]:
        what = f"there are {count} steps, the last of them number {last}"
        yield Fault(place="steps", what=what, episode=episode, attempt=attempt)
    for id, status, score in store.rows(_UNSCORED)[1]:
        what = f"an episode that is {status} has {'no' if score is None else 'a'} score"
        stored = shortened(score)
        yield Fault(place="episodes", what=what, episode=id, column="score", stored=stored)


def check_kept(store: RunStore) -> Iterator[Fault]:
    """Yields episodes that were taken away, for their numbers have no gaps, or lost their seal."""
    found = {id for (id,) in store.rows("SELECT id FROM episodes")[1] if isinstance(id, int)}
    for number in sorted(set(range(1, max(found, default=0) + 1)) - found):
        yield Fault(place="episodes", what="this episode was taken away", episode=number)
    for id, status in store.rows(_UNSEALED)[1]:
        what = f"an episode that is {status} has {'a' if status == 'running' else 'no'} seal"
        yield Fault(place="episodes", what=what, episode=id, column="seal")


def _types(store: RunStore, table: str) -> Iterator[Fault]:
    """Yields fields of another type than their column, and numbers that are none."""
    columns = store.rows(f"SELECT name, type, \"notnull\" FROM pragma_table_info('{table}')")[1]
    keys = ", ".join(_KEYS[table])
    for name, type, required in columns:
        allowed = _TYPES[type] + ("" if required or name in _KEYS[table] else ", 'null'")
        wrong = f"typeof({name}) NOT IN ({allowed})"
        if type == "REAL":
            wrong += f" OR abs({name}) > 1.7976931348623157e308"
        for *key, value in store.rows(f"SELECT {keys}, {name} FROM {table} WHERE {wrong}")[1]:
            yield _fault(table, key, name, value, f"this is no {_word(type)}")


def _word(type: str) -> str:
    return {"INTEGER": "whole number", "REAL": "number", "TEXT": "text"}.get(type, "blob")


def _texts(store: RunStore, table: str, column: str) -> Iterator[Fault]:
    """Yields texts that are not JSON as the store writes it."""
    keys = ", ".join(_KEYS[table])
    query = f"SELECT {keys}, {column} FROM {table} WHERE typeof({column}) = 'text'"
    known: dict[str, bool] = {}
    for *key, text in store.rows(query)[1]:
        if text not in known:
            known[text] = _is_json(text)
        if not known[text]:
            yield _fault(table, key, column, text, "this is not JSON as it is written here")


def _is_json(text: str) -> bool:
    try:
        return to_json(json.loads(text)) == text
    except (ValueError, RecursionError):
        return False


def _meta(store: RunStore) -> Iterator[Fault]:
    """Yields what every run has and this one has not."""
    found = dict(store.rows("SELECT key, value FROM meta")[1])
    for key, kind in _META.items():
        text = found.get(key)
        if text is None:
            yield Fault(place="meta", what=f"there is no {key}", column=key)
        elif not isinstance(text, str) or not _is_json(text):
            pass  # that is told by itself
        elif not isinstance(json.loads(text), kind):
            yield _odd(key, key, text)
        elif key == "experiment":
            held = json.loads(text)
            for name, of in _EXPERIMENT.items():
                if not isinstance(held.get(name), of):
                    yield _odd(key, f"{name} of the experiment", json.dumps(held.get(name)))
    yield from _tasks(store, found.get("formats"))


def _tasks(store: RunStore, formats: object) -> Iterator[Fault]:
    """Yields cells of tasks and formats that the run does not have."""
    known = json.loads(formats) if isinstance(formats, str) and _is_json(formats) else None
    if not isinstance(known, dict):
        return
    for id, task, format in store.rows("SELECT id, task, format FROM cells ORDER BY id")[1]:
        of_task = known.get(task)
        if not isinstance(of_task, list):
            yield _fault("cells", [id], "task", task, "the run has no such task")
        elif format and format not in of_task:
            yield _fault("cells", [id], "format", format, "the run has no such format of the task")


def _odd(key: str, what: str, text: str) -> Fault:
    return Fault(
        place="meta",
        what=f"the {what} is not what it is in every run",
        column=key,
        stored=shortened(text),
    )


def _fault(table: str, key: list[Any], column: str, value: Any, what: str) -> Fault:
    place: dict[str, Any] = dict(zip(_KEYS[table], key, strict=True))
    numbers = [place.get(name, place.get("id")) for name in ("episode", "attempt", "step")]
    if table not in ("episodes", "steps", "imitation"):
        numbers = [None, None, None]
        what = f"{', '.join(map(shortened, key))}: {what}"
    elif table != "steps":
        numbers[1:] = [None, None]
    episode, attempt, step = (one if isinstance(one, int) else None for one in numbers)
    return Fault(
        place=table,
        what="this is infinite" if isinstance(value, float) else what,
        episode=episode,
        attempt=attempt,
        step=step,
        column=column,
        stored=shortened(value),
    )
