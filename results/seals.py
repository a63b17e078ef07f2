"""Seals: digests that show whether what was written was changed by hand since.

An episode is sealed when it ends: all its columns, those of all its steps, and how it imitates.
What describes the run (`meta`, `cells`, `software`) is sealed whenever it is written. A seal is a
digest of everything, then a short one for each column and one for each row: a number that was
changed breaks the one of its column and the one of its row, and so is found, though what it was
is not known.

Whoever changes a number and makes the seal anew leaves no trace here: a seal is no signature.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from icil.tasks.errors import StoreError

SEALED_TABLES = ("meta", "cells", "software")
"""Those that describe the run; their seals stand in the table `seals`."""

_WHOLE, _MARK = 16, 2
"""Bytes of the digest of everything, and of one column or row."""
_EPISODE = "SELECT * FROM episodes WHERE id = ?"
_IMITATION = "SELECT * FROM imitation WHERE episode = ?"
_STEPS = "SELECT * FROM steps WHERE episode = ? ORDER BY attempt, step"
_UNSEALED = "seal"
"""The column of `episodes` that holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a seal covers."""

    single: tuple[tuple[str, Any], ...] = ()
    """Columns of which there is one value: `table.column` and the value."""
    columns: tuple[str, ...] = ()
    """Of the table."""
    rows: tuple[tuple[Any, ...], ...] = ()
    """Of the table, in a fixed order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What a seal says was changed since it was made."""

    single: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    """Their places. With the columns: one or more of the fields where these cross."""
    sealed_rows: int | None = None
    """How many there were, if there are more or fewer now; which ones is not known then."""


def make_seal(sealed: Sealed) -> bytes:
    """Returns the seal of what is there now."""
    fixed = [_digest(one) for one in (*sealed.single, *_columns(sealed))]
    marks = [*fixed, *(_digest(row) for row in sealed.rows)]
    return _digest(fixed) + b"".join(mark[:_MARK] for mark in marks)


def find_broken(seal: bytes, sealed: Sealed) -> Broken | None:
    """Returns what was changed since a seal was made; None if nothing was.

    Of a seal that is itself damaged, nothing is named.
    """
    now = make_seal(sealed)
    if seal == now:
        return None
    before, after = _marks(seal), _marks(now)
    fixed = len(sealed.single) + len(sealed.columns)
    if len(seal) % _MARK or len(before) < fixed:
        return Broken()
    changed = [place for place in range(fixed) if before[place] != after[place]]
    names = [name for name, _ in sealed.single]
    single = tuple(names[place] for place in changed if place < len(names))
    if len(before) != len(after):
        return Broken(single=single, sealed_rows=len(before) - fixed)
    return Broken(
        single=single,
        columns=tuple(sealed.columns[i - len(names)] for i in changed if i >= len(names)),
        rows=tuple(i - fixed for i in range(fixed, len(after)) if before[i] != after[i]),
    )


def read_episode(db: sqlite3.Connection, episode: int) -> Sealed:
    """Returns what the seal of an episode covers."""
    single: list[tuple[str, Any]] = []
    for table, query in (("episodes", _EPISODE), ("imitation", _IMITATION)):
        cursor = db.execute(query, (episode,))
        columns = [column[0] for column in cursor.description]
        row = cursor.fetchone() or [None] * len(columns)
        found = zip(columns, row, strict=True)
        single += [(f"{table}.{name}", value) for name, value in found if name != _UNSEALED]
    return _read(db.execute(_STEPS, (episode,)), single)


def read_table(db: sqlite3.Connection, table: str) -> Sealed:
    """Returns what the seal of a table covers that describes the run."""
    return _read(db.execute(f"SELECT * FROM {table} ORDER BY 1"), ())


def seal_episode(db: sqlite3.Connection, episode: int) -> None:
    """Seals an episode as it is now."""
    seal = make_seal(read_episode(db, episode))
    db.execute("UPDATE episodes SET seal = ? WHERE id = ?", (seal, episode))


def seal_tables(db: sqlite3.Connection) -> None:
    """Seals what describes the run as it is now; for whoever changed it, in one transaction."""
    seals = [(table, make_seal(read_table(db, table))) for table in SEALED_TABLES]
    db.executemany("INSERT OR REPLACE INTO seals VALUES (?, ?)", seals)


def check_episode(db: sqlite3.Connection, episode: int) -> None:
    """Checks the seal of an episode that is about to be written again, if it has one.

    Raises:
        StoreError: It was changed by hand: a new seal would hide that.
    """
    seal = db.execute("SELECT seal FROM episodes WHERE id = ?", (episode,)).fetchone()[0]
    if seal is not None and seal != make_seal(read_episode(db, episode)):
        raise StoreError(
            f"episode {episode} was changed since it was written; `icil verify` says where"
        )


def check_tables(db: sqlite3.Connection) -> None:
    """Checks the seals of what describes the run, before it is written again.

    Raises:
        StoreError: It was changed by hand: new seals would hide that.
    """
    seals = dict(db.execute("SELECT name, seal FROM seals").fetchall())
    for table in SEALED_TABLES:
        if seals.get(table) != make_seal(read_table(db, table)):
            raise StoreError(
                f"the table {table} was changed since it was written; `icil verify` says where"
            )


def _read(cursor: sqlite3.Cursor, single: Iterable[tuple[str, Any]]) -> Sealed:
    columns = tuple(column[0] for column in cursor.description)
    return Sealed(single=tuple(single), columns=columns, rows=tuple(cursor.fetchall()))


def _columns(sealed: Sealed) -> Sequence[object]:
    values = zip(*sealed.rows, strict=True) if sealed.rows else [()] * len(sealed.columns)
    return list(zip(sealed.columns, values, strict=True))


def _marks(seal: bytes) -> list[bytes]:
    return [seal[i : i + _MARK] for i in range(_WHOLE, len(seal), _MARK)]


def _digest(value: object) -> bytes:
    # Numbers, texts and bytes as Python writes them in ASCII: the same in every version.
    return hashlib.blake2b(ascii(value).encode(), digest_size=_WHOLE).digest()
