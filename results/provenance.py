"""Provenance: what each row of a leaderboard came from.

`provenance.csv` has a row for each row of `leaderboard.csv`, known by the same columns. Two rows
with the same `prompts_hash` saw the very same prompts, two with the same `episodes_hash` are of
the very same episodes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from icil.results.scored import ScoredCell, read_scored
from icil.results.store import RunStore
from icil.results.tables import Rows

_BYTES = 16
_PROMPTS = """
SELECT e.cell, s.prompt
FROM steps s JOIN episodes e ON e.id = s.episode AND e.attempt = s.attempt
WHERE s.prompt IS NOT NULL
ORDER BY e.cell, e.opening, s.step
"""
_SEALS = """
SELECT cell, seal FROM episodes WHERE seal IS NOT NULL ORDER BY cell, opening
"""
_SOFTWARE = """
SELECT DISTINCT e.cell, w.id, w.description
FROM episodes e JOIN software w ON w.id = e.software
ORDER BY e.cell, w.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A row of `provenance.csv`; the fields are its columns, in their order.

    Hashes are hexadecimal. None is an empty field: there is none, or it was not recorded. Where
    a run was played by several versions of the software, all that ended an episode of the cell
    are named, with `; ` between them.
    """

    task: str
    format: str
    agent: str
    selector: str
    demonstrations: int
    context_tokens: int | None
    cell_hash: str
    """Of everything that decides the cell's episodes."""
    experiment_hash: str
    task_version: int | None
    pool: str | None
    """How many demonstrations of which expert the pool has; None where none are shown."""
    pool_hash: str | None
    """Of the pool's traces."""
    template_hash: str | None
    """Of the prompt's wording; None for agents that read no prompts."""
    prompts: int
    """Prompts of the steps that count."""
    prompts_hash: str | None
    """Of their hashes, by opening and step."""
    episodes: int
    """Those that have ended, however they did."""
    episodes_hash: str | None
    """Of their seals, by opening: of all that is stored of them."""
    icil: str | None
    """The version."""
    code_hash: str | None
    """Of the source files of the installed packages."""
    python: str | None
    platform: str | None
    """System and processor."""
    software_hash: str | None
    """Of all that the store has about the software, the libraries' versions among it."""


class Provenance(Rows[Origin]):
    """What all the rows of a run came from."""

    kind = Origin


class _Digest(NamedTuple):
    number: int = 0
    """Of hashes."""
    hash: str | None = None


def make_provenance(store: RunStore) -> Provenance:
    """Tells what the rows of a run's leaderboard came from, finished or not."""
    meta, numbers = store.meta(), store.cells()
    prompts, seals = _digests(store, _PROMPTS), _digests(store, _SEALS)
    software = _software(store)
    found: list[Origin] = []
    for cell in read_scored(store).cells:
        number = numbers[cell.hash]
        prompt, seal = prompts.get(number, _Digest()), seals.get(number, _Digest())
        found.extend(
            Origin(
                task=cell.task,
                format=format,
                agent=cell.agent,
                selector=cell.shown.selector,
                demonstrations=cell.demonstrations,
                context_tokens=cell.shown.context_tokens,
                cell_hash=cell.hash,
                experiment_hash=meta["experiment_hash"],
                **_inputs(cell, meta),
                prompts=prompt.number,
                prompts_hash=prompt.hash,
                episodes=seal.number,
                episodes_hash=seal.hash,
                **software.get(number, dict.fromkeys(_NAMES)),
            )
            for format in cell.formats
        )

    def place(row: Origin) -> tuple[Any, ...]:
        size = (row.context_tokens or 0, row.demonstrations)
        return (row.task, row.format, row.agent, row.selector, *size)

    return Provenance(tuple(sorted(found, key=place)))


def _inputs(cell: ScoredCell, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a cell was given: its task, its pool, its wording."""
    experiment, shown = meta["experiment"], cell.shown
    pools: Mapping[str, str] = experiment.get("pool", {})
    pool_hash = about = None
    if shown.demonstrations or shown.context_tokens or experiment.get("teacher_forced"):
        pool_hash = pools.get(f"{cell.task} {shown.selector}", pools.get(cell.task))
        about = meta.get("pools", {}).get(cell.task)
    versions = experiment.get("task")
    return {
        "task_version": versions.get(cell.task) if isinstance(versions, dict) else None,
        "pool": about and f"{about['demonstrations']} of {about['expert']}",
        "pool_hash": pool_hash,
        "template_hash": cell.options.get("template"),
    }


_NAMES = ("icil", "code_hash", "python", "platform", "software_hash")


def _software(store: RunStore) -> dict[int, dict[str, str]]:
    """Returns what played each cell."""
    found: dict[int, list[dict[str, str]]] = {}
    for cell, _, text in store.rows(_SOFTWARE)[1]:
        told = json.loads(text)
        hashed = hashlib.blake2b(text.encode(), digest_size=_BYTES).hexdigest()
        known = {**told, "code_hash": told.get("code"), "software_hash": hashed}
        found.setdefault(cell, []).append({name: str(known.get(name, "")) for name in _NAMES})
    return {
        cell: {name: "; ".join(dict.fromkeys(one[name] for one in all)) for name in _NAMES}
        for cell, all in found.items()
    }


def _digests(store: RunStore, query: str) -> dict[int, _Digest]:
    """Returns for each cell how many hashes there are, and theirs."""
    found: dict[int, list[bytes]] = {}
    for cell, one in store.rows(query)[1]:
        found.setdefault(cell, []).append(one)
    return {
        cell: _Digest(
            len(hashes), hashlib.blake2b(b"".join(hashes), digest_size=_BYTES).hexdigest()
        )
        for cell, hashes in found.items()
    }
