"""Whether every stored part is that of its hash, and every prompt that of its parts."""

import hashlib
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from icil.results.store import RunStore
from icil.results.verifying.faults import Fault, shortened

_BYTES = 16
_PERSON = {"text": b"t", "said": b"a", "png": b"i"}
"""What a part's kind adds to its hash."""
_STEPS = """
SELECT s.episode, s.attempt, s.step, s.shown, s.question, COALESCE(s.prefix, e.prefix), s.prompt,
       s.images, e.attempt
FROM steps s JOIN episodes e ON e.id = s.episode
ORDER BY s.episode, s.attempt, s.step
"""


class _Prefix(NamedTuple):
    hasher: "hashlib.blake2b"
    images: int


class _Prompts:
    """Builds the requests of all steps again, as hashes."""

    def __init__(self, images: frozenset[bytes], known: frozenset[bytes]) -> None:
        self._images, self._known = images, known
        self.prefixes: dict[bytes | None, _Prefix] = {None: self._prefix(b"")}
        self._episode: tuple[int, int] = (0, 0)
        self._shown = b""

    def check_prefix(self, hash: bytes, parts: bytes) -> Iterator[Fault]:
        """Yields what is wrong with a prefix."""
        self.prefixes[hash] = made = self._prefix(parts)
        if made.hasher.digest() != hash:
            yield Fault(
                place="prefixes",
                what="its parts are not those of its hash",
                column="parts",
                stored=hash.hex(),
            )
        yield from self._missing("prefixes", f"the prefix {hash.hex()}", parts, {})

    def check(self, row: tuple[Any, ...]) -> Iterator[Fault]:
        """Yields what is wrong with the request of a step; the steps come in their order."""
        episode, attempt, step, shown, question, prefix, prompt, images, counts = row
        if (episode, attempt) != self._episode:
            self._episode, self._shown = (episode, attempt), b""
        self._shown += shown
        at = {
            "episode": episode,
            "attempt": None if attempt == counts else attempt,
            "step": step,
        }
        yield from self._missing("steps", "the step", shown + question, at)
        if prompt is None:
            return
        before = self.prefixes.get(prefix)
        if before is None:
            yield Fault(place="steps", what="its prefix is not in the store", column="prefix", **at)
            return
        running = before.hasher.copy()
        running.update(self._shown + question)
        if running.digest() != prompt:
            yield Fault(
                place="steps",
                what="the request that is stored is not the one that was sent",
                column="prompt",
                stored=prompt.hex(),
                right=running.hexdigest(),
                value=running.digest(),
                **at,
            )
            return
        count = before.images + self._count(self._shown + question)
        if count != images:
            yield Fault(
                place="steps",
                what="the request has another number of images",
                column="images",
                stored=str(images),
                right=str(count),
                value=count,
                **at,
            )

    def _prefix(self, parts: bytes) -> _Prefix:
        return _Prefix(hashlib.blake2b(parts, digest_size=_BYTES), self._count(parts))

    def _count(self, parts: bytes) -> int:
        return sum(part in self._images for part in _split(parts)) if self._images else 0

    def _missing(self, table: str, what: str, parts: bytes, at: dict[str, Any]) -> Iterator[Fault]:
        for part in _split(parts):
            if part not in self._known:
                yield Fault(
                    place=table,
                    what=f"{what} shows a part that is not in the store: {part.hex()}",
                    **at,
                )


def check_contents(store: RunStore) -> Iterator[Fault]:
    """Yields the parts, prefixes and prompts that are not those of their hashes."""
    known: set[bytes] = set()
    images: set[bytes] = set()
    for hash, kind, content in store.read(_stream, "SELECT hash, kind, content FROM parts"):
        known.add(hash)
        if kind == "png":
            images.add(hash)
        if hashlib.blake2b(content, digest_size=_BYTES, person=_PERSON[kind]).digest() != hash:
            yield Fault(
                place="parts",
                what=f"the {kind} {hash.hex()} is not what its hash says",
                column="content",
                stored=shortened(content.decode(errors="replace") if kind != "png" else content),
            )
    prompts = _Prompts(frozenset(images), frozenset(known))
    for hash, parts in store.read(_stream, "SELECT hash, parts FROM prefixes"):
        yield from prompts.check_prefix(hash, parts)
    for row in store.read(_stream, _STEPS):
        yield from prompts.check(row)


def _stream(db: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Yields the rows of a query one by one: all parts together may be larger than memory."""
    yield from db.execute(query)


def _split(parts: bytes) -> Iterator[bytes]:
    return (parts[i : i + _BYTES] for i in range(0, len(parts), _BYTES))
