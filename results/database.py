"""The SQLite file of a run store: how it is opened, and what its errors say."""

import sqlite3
from pathlib import Path

from icil.tasks.errors import StoreError


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """Opens a file that exists.

    Raises:
        StoreError: There is none, or it is empty.
    """
    if not path.is_file():
        raise StoreError(f"no run store at {path}")
    if path.stat().st_size == 0:
        raise StoreError(f"{path} is empty: it was truncated; it was left as it is")
    mode = "ro" if readonly else "rw"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def check_store(path: Path, db: sqlite3.Connection, layout: int, *, whole: bool) -> None:
    """Checks that a file is the store of a run.

    Args:
        path: The file.
        db: The same, open.
        layout: The one that it is to have.
        whole: Whether to read all of it, to see that none of it is damaged.

    Raises:
        StoreError: It is another database, or of another layout.
        sqlite3.Error: It is damaged.
    """
    problem = db.execute("PRAGMA quick_check(1)").fetchone()[0] if whole else "ok"
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    _check_size(path, db)
    columns = db.execute("SELECT name FROM pragma_table_info('meta')").fetchall()
    found = None
    if {("key",), ("value",)} == set(columns):
        found = db.execute("SELECT value FROM meta WHERE key = 'layout'").fetchone()
    if found is None:
        raise StoreError(f"{path} is not the store of a run; it was left as it is")
    if found[0] != str(layout):
        raise StoreError(
            f"{path} has layout {found[0]}; this version of icil reads layout {layout}"
        )


def _check_size(path: Path, db: sqlite3.Connection) -> None:
    """Finds a file cut in its last page, which SQLite takes for zeros."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        return  # The rest may still be in the log.
    page = db.execute("PRAGMA page_size").fetchone()[0]
    if path.stat().st_size % page:
        raise sqlite3.DatabaseError("the last page is cut off")


def explain(path: Path, error: sqlite3.Error) -> str:
    """Returns what an error means for whoever has the file, in one line."""
    text = " ".join(str(error).split())
    if "full" in text or getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_WRITE":
        return f"{path}: the disk is full; free some space, then the same command goes on"
    if "locked" in text:
        return f"{path} is in use by another process"
    if "not a database" in text:
        return f"{path} is not an SQLite file; it was left as it is"
    if isinstance(error, sqlite3.OperationalError):
        return f"{path}: {text}"
    return f"{path} is damaged ({text}); it was left as it is: restore it from a copy"
