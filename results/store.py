"""The run store: one SQLite file that only one process writes, a step in one transaction.

A reply is on disk before its action is played; what the world answered is written with the
next reply, or with the end of the episode. Steps of several episodes may share a transaction
(`transaction`). Whatever moment a process dies at, the file holds whole steps. The layout
stands in `schema.sql`.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from icil.results.records import (
    Answer,
    CellRecord,
    EpisodeRecord,
    EpisodeStatus,
    Imitation,
    Played,
    StepRecord,
)
from icil.results.rows import (
    INSERT_CELL,
    INSERT_PART,
    INSERT_STEP,
    cell_row,
    read_steps,
    reasons_row,
    step_row,
    to_json,
)
from icil.tasks.errors import RunFolderError, StoreError

LAYOUT = 3
FILE_NAME = "run.sqlite"
_HASH_BYTES = 16

StoredPart = tuple[bytes, Literal["text", "said", "png"], bytes]
"""Hash, kind, content."""


class RunStore:
    """A run's file. Not thread-safe: one thread at a time.

    Args:
        path: The file, which exists.
        readonly: Whether this process only reads.

    Raises:
        StoreError: It is no store, is damaged, or is of a newer layout.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._readonly = readonly
        self._written: set[bytes] = set()
        """Hashes of prefix parts known to be in the file."""
        with self._guard():
            # A writer would tidy up a damaged file when it closes it; a reader changes nothing.
            self._db = _connect(path, readonly=True)
            try:
                self._check()
                if not readonly:
                    self._db.close()
                    self._db = _connect(path, readonly=False)
                    self._db.execute("PRAGMA journal_mode = WAL")
                    # A killed process loses nothing; only a power cut can take the last few steps.
                    self._db.execute("PRAGMA synchronous = NORMAL")
            except BaseException:
                self._db.close()
                raise

    @classmethod
    def create(cls, path: Path, meta: Mapping[str, Any], cells: Iterable[CellRecord]) -> "RunStore":
        """Makes a new store, whole or not at all, and opens it.

        Args:
            path: Where; there is no file yet.
            meta: What describes the run; JSON.
            cells: All the run's cells.

        Raises:
            StoreError: It cannot be written.
            RunFolderError: There is a file.
        """
        if path.exists():
            raise RunFolderError(f"{path} exists already")
        making = path.with_name(path.name + ".new")
        try:
            making.unlink(missing_ok=True)
            with closing(sqlite3.connect(making)) as db, db:
                db.executescript(files("icil.results").joinpath("schema.sql").read_text("utf-8"))
                rows = {"layout": LAYOUT, **meta}
                db.executemany(
                    "INSERT INTO meta VALUES (?, ?)", [(k, to_json(v)) for k, v in rows.items()]
                )
                db.executemany(INSERT_CELL, [cell_row(cell) for cell in cells])
            making.rename(path)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot make {path}: {error}") from error
        return cls(path)

    def close(self) -> None:
        """Closes the file; everything is in it already.

        A run that no one else has open is left as one file, which can be read from a folder
        that cannot be written.
        """
        if not self._readonly:
            with suppress(sqlite3.Error):  # somebody reads it: the log stays until the next run
                self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    def meta(self) -> dict[str, Any]:
        """Returns what describes the run."""
        with self._guard():
            rows = self._db.execute("SELECT key, value FROM meta").fetchall()
        return {key: json.loads(value) for key, value in rows}

    def cells(self) -> dict[str, int]:
        """Returns the hashes of all cells with their numbers in this file."""
        with self._guard():
            return dict(self._db.execute("SELECT hash, id FROM cells").fetchall())

    def ended(self, cell: int) -> dict[int, EpisodeStatus]:
        """Returns the openings of a cell whose episodes are done or overlong, and which it is."""
        with self._guard():
            rows = self._db.execute(
                "SELECT opening, status FROM episodes "
                "WHERE cell = ? AND status IN ('done', 'overlong')",
                (cell,),
            )
            return dict(rows.fetchall())

    def cost(self) -> float:
        """Returns the dollars spent so far, as far as prices are known."""
        with self._guard():
            found = self._db.execute("SELECT TOTAL(cost_usd) FROM steps").fetchone()[0]
        return float(found)

    def tokens(self) -> int:
        """Returns the tokens taken so far, input and output."""
        with self._guard():
            found = self._db.execute("SELECT TOTAL(input_tokens + output_tokens) FROM steps")
            return int(found.fetchone()[0])

    def counts(self) -> dict[EpisodeStatus, int]:
        """Returns how many episodes there are of each status."""
        with self._guard():
            return dict(
                self._db.execute("SELECT status, COUNT(*) FROM episodes GROUP BY status").fetchall()
            )

    def faults(self, most: int = 3) -> dict[str, int]:
        """Returns the commonest reasons of errors, with how many episodes each ended."""
        with self._guard():
            rows = self._db.execute(
                "SELECT message, COUNT(*) AS n FROM episodes WHERE status = 'error' "
                "GROUP BY message ORDER BY n DESC, message LIMIT ?",
                (most,),
            )
            return dict(rows.fetchall())

    def begin_episode(
        self,
        cell: int,
        opening: int,
        *,
        demonstrations: Iterable[str] = (),
        reasons: Iterable[str] = (),
        left_out: int = 0,
        leaked: int = 0,
        near: int = 0,
        restart: bool = False,
    ) -> EpisodeRecord:
        """Begins an episode, or goes on with one that was begun.

        Args:
            cell: The cell's number.
            opening: The opening's index.
            demonstrations: The ids of those shown.
            reasons: Why each was chosen.
            left_out: How many were not offered, for they show the opening.
            leaked: How many of those shown pass through the opening.
            near: How many of those shown pass through a near duplicate of it, and not through it.
            restart: Whether to begin again (agents that cannot go on in the middle). The steps
                stored so far are kept for what they cost, and no longer count.

        Raises:
            StoreError: It was begun with other demonstrations, or cannot be written.
        """
        with self._transaction() as db:
            found = db.execute(
                "SELECT id, status, attempt, demonstrations, CASE WHEN EXISTS "
                "(SELECT 1 FROM steps WHERE episode = id) THEN prefix END "
                "FROM episodes WHERE cell = ? AND opening = ?",
                (cell, opening),
            ).fetchone()
            if found is None:
                shown = to_json(list(demonstrations))
                row = (cell, opening, shown, reasons_row(reasons), left_out, leaked, near)
                number = db.execute(
                    "INSERT INTO episodes (cell, opening, status, demonstrations, reasons, "
                    "left_out, leaked, near, attempt) VALUES (?, ?, 'running', ?, ?, ?, ?, ?, 0)",
                    row,
                ).lastrowid
                assert number is not None
                return EpisodeRecord(id=number, status="running")
            number, status, attempt, shown, prefix = found
            if shown != to_json(list(demonstrations)):
                raise StoreError(
                    f"{self.path}: the episode of opening {opening} was begun with other "
                    "demonstrations than are chosen now; play it in a new folder"
                )
            attempt += restart
            db.execute(
                "UPDATE episodes SET status = 'running', message = NULL, attempt = ? WHERE id = ?",
                (attempt, number),
            )
            steps = tuple(read_steps(db, number, attempt))
        return EpisodeRecord(id=number, status=status, attempt=attempt, prefix=prefix, steps=steps)

    def set_prefix(
        self,
        episode: int,
        prefix: bytes,
        hashes: tuple[bytes, ...],
        parts: Callable[[], Iterable[StoredPart]],
    ) -> None:
        """Records the prefix of an episode's prompts, unless one was sent already.

        Args:
            episode: The episode's number.
            prefix: The prefix's hash.
            hashes: Those of its parts.
            parts: Returns the parts; called only if the prefix is new here.
        """
        with self._transaction() as db:
            self.add_prefix(prefix, hashes, parts)
            db.execute(
                "UPDATE episodes SET prefix = ? WHERE id = ? AND (prefix IS NULL OR NOT EXISTS "
                "(SELECT 1 FROM steps WHERE episode = id))",
                (prefix, episode),
            )

    def add_prefix(
        self, prefix: bytes, hashes: tuple[bytes, ...], parts: Callable[[], Iterable[StoredPart]]
    ) -> None:
        """Writes a prefix and its parts, unless they are there; otherwise as `set_prefix`."""
        with self._transaction() as db:
            row = (prefix, b"".join(hashes))
            if db.execute("INSERT OR IGNORE INTO prefixes VALUES (?, ?)", row).rowcount:
                # Prefixes share most of their parts: those of the pool's demonstrations.
                fresh = [part for part in parts() if part[0] not in self._written]
                db.executemany(INSERT_PART, fresh)
                self._written.update(part[0] for part in fresh)

    def add_step(
        self,
        episode: EpisodeRecord,
        step: int,
        answer: Answer,
        parts: Iterable[StoredPart] = (),
        previous: Played | None = None,
    ) -> None:
        """Writes a reply before its action is played.

        Args:
            episode: The episode.
            step: The step's number, from 0.
            answer: The reply and what was made of it.
            parts: The parts that are new in this step's prompt, the question's included.
            previous: What the world answered to the step before.
        """
        with self._transaction() as db:
            db.executemany(INSERT_PART, parts)
            if previous is not None:
                _set_played(db, episode, step - 1, previous)
            db.execute(INSERT_STEP, step_row(episode, step, answer))

    def end_episode(
        self,
        episode: EpisodeRecord,
        status: EpisodeStatus,
        *,
        score: float | None = None,
        message: str | None = None,
        last: tuple[int, Played] | None = None,
    ) -> None:
        """Writes how an episode ended.

        Args:
            episode: The episode.
            status: How.
            score: The return, if it is done.
            message: Why, if it is in error or overlong.
            last: The last step that was played, and what the world answered.
        """
        with self._transaction() as db:
            if last is not None:
                _set_played(db, episode, *last)
            db.execute(
                "UPDATE episodes SET status = ?, score = ?, message = ? WHERE id = ?",
                (status, score, message, episode.id),
            )

    def steps(self, episode: int) -> tuple[StepRecord, ...]:
        """Returns the steps of an episode that count, in their order."""
        with self._guard():
            row = self._db.execute("SELECT attempt FROM episodes WHERE id = ?", (episode,))
            return tuple(read_steps(self._db, episode, *row.fetchone()))

    def set_imitation(self, episode: int, found: Imitation) -> None:
        """Writes how a finished episode imitates, in place of what was found before.

        Args:
            episode: The episode's number.
            found: What was found, for each of the episode's steps. Where a step's agreement is
                None, what is stored of it (by a teacher-forced run) stays.
        """
        expected = found.expected or (None,) * len(found.agrees)
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO imitation VALUES (?, ?, ?)",
                (episode, found.expert, found.departs),
            )
            db.executemany(
                "UPDATE steps SET agrees = COALESCE(?, agrees), copies = ?, expected = ? "
                "WHERE episode = ? AND "
                "attempt = (SELECT attempt FROM episodes WHERE id = episode) AND step = ?",
                [
                    (agrees, copies, None if known is None else to_json(list(known)), episode, step)
                    for step, (agrees, copies, known) in enumerate(
                        zip(found.agrees, found.copies, expected, strict=True)
                    )
                ],
            )

    def part(self, hash: bytes) -> tuple[str, bytes]:
        """Returns the kind and content of a part.

        Raises:
            StoreError: There is no such part.
        """
        with self._guard():
            row = self._db.execute(
                "SELECT kind, content FROM parts WHERE hash = ?", (hash,)
            ).fetchone()
        if row is None:
            raise StoreError(f"{self.path} holds no part {hash.hex()}")
        return row[0], row[1]

    def request(self, episode: int, step: int) -> tuple[bytes, ...]:
        """Returns the hashes of all the parts of a step's request, in their order.

        Raises:
            StoreError: There is no such step.
        """
        with self._guard():
            rows = self._db.execute(
                "SELECT s.shown, s.question, s.prefix "
                "FROM steps s JOIN episodes e ON e.id = s.episode "
                "WHERE s.episode = ? AND s.attempt = e.attempt AND s.step <= ? ORDER BY s.step",
                (episode, step),
            ).fetchall()
            if not rows or len(rows) != step + 1:
                raise StoreError(f"{self.path} holds no step {step} of episode {episode}")
            _, question, own = rows[-1]
            prefix = self._db.execute(
                "SELECT p.parts FROM episodes e JOIN prefixes p ON p.hash = COALESCE(?, e.prefix) "
                "WHERE e.id = ?",
                (own, episode),
            ).fetchone()
        whole = (prefix[0] if prefix else b"") + b"".join(row[0] for row in rows) + question
        return tuple(whole[i : i + _HASH_BYTES] for i in range(0, len(whole), _HASH_BYTES))

    def rows(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Returns the column names and rows of a reading query."""
        with self._guard():
            cursor = self._db.execute(query)
            return [column[0] for column in cursor.description], cursor.fetchall()

    def _check(self) -> None:
        problem = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
        self._check_size()
        columns = self._db.execute("SELECT name FROM pragma_table_info('meta')").fetchall()
        found = None
        if {("key",), ("value",)} == set(columns):
            found = self._db.execute("SELECT value FROM meta WHERE key = 'layout'").fetchone()
        if found is None:
            raise StoreError(f"{self.path} is not the store of a run; it was left as it is")
        if found[0] != to_json(LAYOUT):
            raise StoreError(
                f"{self.path} has layout {found[0]}; this version of icil reads layout {LAYOUT}"
            )

    def _check_size(self) -> None:
        """Finds a file cut in its last page, which SQLite takes for zeros."""
        log = self.path.with_name(self.path.name + "-wal")
        if log.exists() and log.stat().st_size:
            return  # The rest may still be in the log.
        page = self._db.execute("PRAGMA page_size").fetchone()[0]
        if self.path.stat().st_size % page:
            raise sqlite3.DatabaseError("the last page is cut off")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Joins the writes made inside into one transaction: all of them, or none.

        Raises:
            StoreError: They cannot be written.
        """
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard():
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._written.clear()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(_explain(self.path, error)) from error


def _connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
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


def _explain(path: Path, error: sqlite3.Error) -> str:
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


def _set_played(db: sqlite3.Connection, episode: EpisodeRecord, step: int, played: Played) -> None:
    outcome = None if played.outcome is None else to_json(played.outcome)
    db.execute(
        "UPDATE steps SET reward = ?, outcome = ? WHERE episode = ? AND attempt = ? AND step = ?",
        (played.reward, outcome, episode.id, episode.attempt, step),
    )
