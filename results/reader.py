"""Reading a run store; `store.py` writes it."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from icil.results.database import explain
from icil.results.records import EpisodeStatus, StepRecord
from icil.results.rows import read_steps
from icil.tasks.errors import StoreError

CHANGED = "it was changed since it was written, and `icil verify` says where"
"""What is told of a store that is whole and yet holds what no run writes."""

_ALWAYS: Mapping[str, type] = {"experiment": dict, "experiment_hash": str, "formats": dict}
"""What `meta` has of every run."""
_HASH_BYTES = 16

T = TypeVar("T")


class StoreReader:
    """What can be read of a run's file; `RunStore` opens it."""

    path: Path
    _db: sqlite3.Connection

    def meta(self) -> dict[str, Any]:
        """Returns what describes the run.

        Raises:
            StoreError: It is not JSON, or lacks what every run has.
        """
        with self._guard():
            rows = self._db.execute("SELECT key, value FROM meta").fetchall()
        try:
            found = {key: json.loads(value) for key, value in rows}
        except (TypeError, ValueError) as error:
            raise StoreError(f"{self.path}: the table meta holds what is not JSON") from error
        for key, kind in _ALWAYS.items():
            if not isinstance(found.get(key), kind):
                raise StoreError(f"{self.path}: the table meta lacks the run's {key}; {CHANGED}")
        return found

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

    def steps(self, episode: int) -> tuple[StepRecord, ...]:
        """Returns the steps of an episode that count, in their order.

        Raises:
            StoreError: There is no such episode.
        """
        with self._guard():
            query = "SELECT attempt FROM episodes WHERE id = ?"
            row = self._db.execute(query, (episode,)).fetchone()
            if row is None:
                raise StoreError(f"{self.path} holds no episode {episode}")
            return tuple(read_steps(self._db, episode, *row))

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

    def read(self, function: Callable[..., T], *given: Any) -> T:
        """Returns what a function reads, which is given the database before its arguments."""
        with self._guard():
            return function(self._db, *given)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Shows the store as it is now to all that is read inside, whoever writes meanwhile."""
        with self._guard():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def rows(
        self, query: str, values: Sequence[Any] = ()
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Returns the column names and rows of a reading query."""
        with self._guard():
            cursor = self._db.execute(query, values)
            return [column[0] for column in cursor.description], cursor.fetchall()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(explain(self.path, error)) from error
