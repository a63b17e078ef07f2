"""The run store: one SQLite file that only one process writes, a step in one transaction.

A reply is on disk before its action is played; what the world answered is written with the
next reply, or with the end of the episode. Steps of several episodes may share a transaction
(`transaction`). Whatever moment a process dies at, the file holds whole steps. The layout
stands in `schema.sql`.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from icil.results.database import check_store, connect
from icil.results.reader import StoreReader
from icil.results.records import (
    Answer,
    CellRecord,
    EpisodeRecord,
    EpisodeStatus,
    Imitation,
    Played,
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
from icil.results.seals import check_episode, check_tables, seal_episode, seal_tables
from icil.tasks.errors import RunFolderError, StoreError

LAYOUT = 4
FILE_NAME = "run.sqlite"

StoredPart = tuple[bytes, Literal["text", "said", "png"], bytes]
"""Hash, kind, content."""


class RunStore(StoreReader):
    """A run's file. Not thread-safe: one thread at a time.

    Args:
        path: The file, which exists.
        readonly: Whether this process only reads.
        checked: Whether the whole file was found undamaged before: reading all of it takes a second
            for each few hundred megabytes.

    Raises:
        StoreError: It is no store, is damaged, or is of a newer layout.
    """

    def __init__(self, path: Path, *, readonly: bool = False, checked: bool = False) -> None:
        self.path = path
        self._readonly = readonly
        self._software: int | None = None
        self._written: set[bytes] = set()
        """Hashes of prefix parts known to be in the file."""
        with self._guard():
            # A writer would tidy up a damaged file when it closes it; a reader changes nothing.
            self._db = connect(path, readonly=True)
            try:
                check_store(path, self._db, LAYOUT, whole=not checked)
                if not readonly:
                    self._db.close()
                    self._db = connect(path, readonly=False)
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
                seal_tables(db)
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

    def use_software(self, description: Mapping[str, Any]) -> None:
        """Notes what plays from now on: each episode that ends is marked with it.

        Args:
            description: Versions and the like; JSON.

        Raises:
            StoreError: It cannot be written, or what describes the run was changed by hand.
        """
        text = to_json(description)
        query = "SELECT id FROM software WHERE description = ?"
        with self._guard():
            found = self._db.execute(query, (text,)).fetchone()
        if found is None:
            with self.resealing() as db:
                db.execute("INSERT INTO software (description) VALUES (?)", (text,))
                found = db.execute(query, (text,)).fetchone()
        self._software = found[0]

    @contextmanager
    def resealing(self) -> Iterator[sqlite3.Connection]:
        """Opens a transaction for changes to `meta`, `cells` or `software`, and seals these anew.

        Raises:
            StoreError: They cannot be written, or were changed by hand before.
        """
        with self._transaction() as db:
            check_tables(db)
            yield db
            seal_tables(db)

    def widen(self, meta: Mapping[str, Any], cells: Iterable[CellRecord]) -> None:
        """Makes the run a larger one, whole or not at all; what it holds stays.

        Args:
            meta: What describes the larger run; JSON.
            cells: Those asked for now. One that is there, as a reference player that nobody had
                asked for, is marked as asked for.

        Raises:
            StoreError: It cannot be written, or what describes the run was changed by hand.
        """
        with self.resealing() as db:
            rows = [(key, to_json(value)) for key, value in meta.items()]
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)
            db.executemany(
                f"{INSERT_CELL} ON CONFLICT (hash) "
                "DO UPDATE SET asked = MAX(asked, excluded.asked)",
                [cell_row(cell) for cell in cells],
            )

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
            if status != "running":
                check_episode(db, number)
            attempt += restart
            db.execute(
                "UPDATE episodes SET status = 'running', message = NULL, attempt = ?, seal = NULL "
                "WHERE id = ?",
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
        """Writes how an episode ended, and seals it.

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
                "UPDATE episodes SET status = ?, score = ?, message = ?, software = ? WHERE id = ?",
                (status, score, message, self._software, episode.id),
            )
            seal_episode(db, episode.id)

    def set_imitation(self, episode: int, found: Imitation) -> None:
        """Writes how a finished episode imitates, in place of what was found before; seals it.

        Args:
            episode: The episode's number.
            found: What was found, for each of the episode's steps. Where a step's agreement is
                None, what is stored of it (by a teacher-forced run) stays.

        Raises:
            StoreError: It cannot be written, or the episode was changed by hand before.
        """
        expected = found.expected or (None,) * len(found.agrees)
        with self._transaction() as db:
            check_episode(db, episode)
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
            seal_episode(db, episode)

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
                # Where an interrupt came between, the file may be closed, which rolls back too.
                with suppress(sqlite3.ProgrammingError):
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                raise


def _set_played(db: sqlite3.Connection, episode: EpisodeRecord, step: int, played: Played) -> None:
    outcome = None if played.outcome is None else to_json(played.outcome)
    db.execute(
        "UPDATE steps SET reward = ?, outcome = ?, success = ? "
        "WHERE episode = ? AND attempt = ? AND step = ?",
        (played.reward, outcome, played.success, episode.id, episode.attempt, step),
    )
