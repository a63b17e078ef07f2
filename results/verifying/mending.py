"""A copy of a store with what is known to be right in place of what is wrong in it.

What a run's tables should say is made of this copy, so that a number that was changed in the
store and in a table alike is found in both.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection, connect
from tempfile import TemporaryDirectory

from icil.results.store import FILE_NAME, RunStore
from icil.results.verifying.faults import Fault

_ROWS = {
    "cells": "id = :row",
    "episodes": "id = :episode",
    "steps": "episode = :episode AND step = :step AND attempt = "
    "COALESCE(:attempt, (SELECT attempt FROM episodes WHERE id = :episode))",
}


@contextmanager
def mended(store: RunStore, faults: Iterable[Fault]) -> Iterator[RunStore]:
    """Opens a mended copy of a store, which is kept until the context ends.

    Args:
        store: The store, of which `check_structure` found nothing wrong.
        faults: What is wrong in it; where it is not known what is right, it stays.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        with closing(connect(path)) as copy:
            store.read(_copy, copy)
            with copy:
                for fault in faults:
                    _mend(copy, fault)
        with closing(RunStore(path, readonly=True)) as again:
            yield again


def _copy(db: Connection, copy: Connection) -> None:
    db.backup(copy)


def _mend(db: Connection, fault: Fault) -> None:
    if fault.right is None or fault.place not in _ROWS:
        return
    names = ("row", "episode", "attempt", "step")
    values = {"value": fault.value, **{name: getattr(fault, name) for name in names}}
    where = _ROWS[fault.place]
    db.execute(f"UPDATE OR IGNORE {fault.place} SET {fault.column} = :value WHERE {where}", values)
