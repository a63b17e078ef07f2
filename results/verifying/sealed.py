"""Whether seals hold, and what was changed where they do not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from icil.results.seals import SEALED_TABLES, Broken, find_broken, read_episode, read_table
from icil.results.store import RunStore
from icil.results.verifying.faults import Fault, cell_name, shortened

_CHANGED = "this was changed since it was written; what it was is not known"
_CANDIDATE = "this, or another field named here of the same rows and columns, was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSeal:
    """What the seal of an episode says."""

    broken: bool = False
    faults: tuple[Fault, ...] = ()
    """What was changed, a fault for each field that may be; cell and opening are not filled in."""
    certain: bool = True
    """Whether each of these was changed, and not just one or more of them."""


def check_episode_seal(store: RunStore, episode: int, attempt: int) -> EpisodeSeal:
    """Checks the seal of an episode, if it has one.

    Args:
        store: The store.
        episode: The episode's number.
        attempt: Which attempt counts.
    """
    (seal,) = store.rows("SELECT seal FROM episodes WHERE id = ?", (episode,))[1][0]
    sealed = store.read(read_episode, episode)
    broken = find_broken(seal, sealed) if isinstance(seal, bytes) else None
    if broken is None:
        return EpisodeSeal()
    values = dict(sealed.single)
    faults = []
    for name in broken.single:
        table, _, column = name.partition(".")
        faults.append(_fault(table, column, values[name], episode))
    if broken.sealed_rows is not None:
        what = f"the episode has {len(sealed.rows)} steps, and ended with {broken.sealed_rows}"
        faults.append(Fault(place="steps", what=what, episode=episode))
    certain = len(broken.rows) == 1 or len(broken.columns) == 1
    places = {name: place for place, name in enumerate(sealed.columns)}
    for row in broken.rows:
        of = dict(zip(sealed.columns, sealed.rows[row], strict=True))
        other = of["attempt"] if of["attempt"] != attempt else None
        for column in broken.columns:
            value = sealed.rows[row][places[column]]
            what = _CHANGED if certain else _CANDIDATE
            step = of["step"]
            faults.append(_fault("steps", column, value, episode, other, step, what))
    if not faults:
        what = "the episode, or its seal, was changed since it ended"
        faults.append(Fault(place="episodes", what=what, episode=episode, column="seal"))
    return EpisodeSeal(broken=True, faults=tuple(faults), certain=certain)


def check_table_seals(store: RunStore) -> Iterator[Fault]:
    """Yields what was changed of what describes the run."""
    seals = dict(store.rows("SELECT name, seal FROM seals")[1])
    for table in SEALED_TABLES:
        sealed = store.read(read_table, table)
        seal = seals.get(table)
        broken = find_broken(seal, sealed) if isinstance(seal, bytes) else Broken()
        if broken is None:
            continue
        if broken.sealed_rows is not None:
            what = f"the table has {len(sealed.rows)} rows, and was written with "
            yield Fault(place=table, what=what + str(broken.sealed_rows))
        for place in broken.rows:
            row = dict(zip(sealed.columns, sealed.rows[place], strict=True))
            for column in broken.columns:
                yield _of_table(table, row, column)
        if not broken.rows and broken.sealed_rows is None:
            yield Fault(place=table, what="the table, or its seal, was changed since")


def _of_table(table: str, row: Mapping[str, Any], column: str) -> Fault:
    stored = shortened(row[column])
    if table == "cells":
        what, cell = _CHANGED, cell_name(row)
        return Fault(place=table, what=what, cell=cell, column=column, stored=stored)
    if table == "meta":
        return Fault(place=table, what=_CHANGED, column=str(row["key"]), stored=stored)
    what = f"number {row['id']}: {_CHANGED}"
    return Fault(place=table, what=what, column=column, stored=stored)


def _fault(
    table: str,
    column: str,
    value: object,
    episode: int,
    attempt: int | None = None,
    step: int | None = None,
    what: str = _CHANGED,
) -> Fault:
    return Fault(
        place=table,
        what=what,
        episode=episode,
        attempt=attempt,
        step=step,
        column=column,
        stored=shortened(value),
    )
