"""Prompt caches: which beginning of a prompt is known already, by each provider's rules.

A rule turns a prompt into the hashes of those of its beginnings that matter to it; the store
knows which were sent before, each for as long as its provider keeps it. What a request brings
is written when it is answered, not when it arrives: of two at the same time, neither hits the
other's. The store keeps hashes, never what was sent, and forgets the longest unused first.

    AutomaticRule    OpenAI up to GPT-5.5, vLLM, Gemini's implicit cache: whole units of tokens
    BreakpointRule   Anthropic: where the client says so, found from 20 parts away
    MarkedRule       OpenAI from GPT-5.6: where the client says so, or a message ends
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from icil.harness.fake_server.call import Call
from icil.harness.fake_server.images import HASH_BYTES

FOREVER = float("inf")
HOUR_S = 3600.0
MARK_LIFE_S = 1800.0
"""How long OpenAI keeps what a breakpoint wrote."""

_KEPT = 500_000
"""How many hashes are kept, some 200 bytes each."""
_LOOK_BACK = 20
_MOST_MARKS_WRITTEN = 4
_MOST_MARKS_READ = 80


class Beginning(NamedTuple):
    """A prompt up to some place."""

    tokens: int
    digest: bytes


class Written(NamedTuple):
    """A beginning to remember."""

    digest: bytes
    life_s: float
    """In seconds after its last use; one that is known keeps its own, if that is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """What a request has of the cache, in tokens, and what it brings."""

    read: int = 0
    written: int = 0
    """All that is written, for whatever time."""
    written_1h: int = 0
    """Of these, what Anthropic writes for an hour."""
    entries: tuple[Written, ...] = ()
    """What to write when the answer is sent."""


class CacheStore:
    """The beginnings that are known; may be used from several threads."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._known: dict[bytes, tuple[float, float]] = {}
        """When each is forgotten, in unix seconds, and its life; the longest unused first."""
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    def longest(self, digests: Sequence[bytes], now: float) -> int | None:
        """Returns the index of the last of these that is known, or None."""
        with self._lock:
            for index in range(len(digests) - 1, -1, -1):
                end, _ = self._known.get(digests[index], (0.0, 0.0))
                if end > now:
                    return index
        return None

    def write(self, entries: Sequence[Written], now: float) -> None:
        """Remembers beginnings, or goes on remembering them."""
        with self._lock:
            for digest, life_s in entries:
                end, known_s = self._known.pop(digest, (0.0, 0.0))
                life_s = max(life_s, known_s) if end > now else life_s
                self._known[digest] = (now + life_s, life_s)
            while len(self._known) > self._kept:
                del self._known[next(iter(self._known))]


class CacheRule(ABC):
    """What a provider caches of a prompt, and where it looks."""

    @abstractmethod
    def use(self, call: Call, scope: bytes, store: CacheStore, now: float) -> CacheUse:
        """Returns what a call has of the cache.

        Args:
            call: The call.
            scope: What must be the same besides the prompt: dialect, key and model.
            store: What is known.
            now: In unix seconds.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticRule(CacheRule):
    """Caches every whole unit of tokens."""

    unit: int
    """In tokens."""
    minimum: int
    """The shortest prompt that is cached, in tokens."""
    life_s: float
    """How long after its last use a prompt is kept, in seconds."""
    keeps_last: bool = False
    """Whether the prompt's last token is never taken from the cache, as in vLLM."""

    def use(self, call: Call, scope: bytes, store: CacheStore, now: float) -> CacheUse:
        """See `CacheRule`."""
        scope += call.cache_key.encode()
        units = [u for u in _units(call, scope, self.unit) if u.tokens >= self.minimum]
        usable = [u for u in units if u.tokens < call.tokens or not self.keeps_last]
        hit = store.longest([unit.digest for unit in usable], now)
        return CacheUse(
            read=0 if hit is None else usable[hit].tokens,
            entries=tuple(Written(unit.digest, self.life_s) for unit in units),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakpointRule(CacheRule):
    """Caches up to the client's breakpoints, and looks for entries up to 20 parts before them."""

    minimum: int
    """The shortest beginning that is cached, in tokens."""

    def use(self, call: Call, scope: bytes, store: CacheStore, now: float) -> CacheUse:
        """See `CacheRule`."""
        ends = _part_ends(call, scope)
        marks = [index for index, part in enumerate(call.parts) if part.life_s is not None]
        near = {i for mark in marks for i in range(max(0, mark - _LOOK_BACK + 1), mark + 1)}
        return _use_marks(call, ends, sorted(near), marks, self.minimum, store, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedRule(CacheRule):
    """Caches up to the client's breakpoints and, unless told not to, the end of the prompt.

    Entries are found at breakpoints and at the ends of messages, never between them, and only
    with a `prompt_cache_key`.
    """

    minimum: int
    """The shortest beginning that is cached, in tokens."""

    def use(self, call: Call, scope: bytes, store: CacheStore, now: float) -> CacheUse:
        """See `CacheRule`."""
        if not (call.cache_key and call.parts):
            return CacheUse()
        ends = _part_ends(call, scope + call.cache_key.encode())
        marks = [index for index, part in enumerate(call.parts) if part.life_s is not None]
        read, written = marks, marks[-_MOST_MARKS_WRITTEN:]
        if call.cache_mode == "implicit":
            last = len(call.parts) - 1
            closes = [i for i in range(last) if call.parts[i + 1].opens] + [last]
            read = sorted({*marks, *closes})
            written = sorted({*marks[1 - _MOST_MARKS_WRITTEN :], last})
        return _use_marks(call, ends, read[-_MOST_MARKS_READ:], written, self.minimum, store, now)


def _use_marks(
    call: Call,
    ends: Sequence[Beginning],
    read: Sequence[int],
    written: Sequence[int],
    minimum: int,
    store: CacheStore,
    now: float,
) -> CacheUse:
    """Returns the use of a cache that is read and written after some parts only."""
    hit = store.longest([ends[index].digest for index in read], now)
    at = -1 if hit is None else read[hit]
    known = 0 if hit is None else ends[at].tokens
    up_to = up_to_1h = known
    entries = [] if hit is None else [Written(ends[at].digest, 0.0)]
    for index in written:
        life_s = call.parts[index].life_s or MARK_LIFE_S
        if ends[index].tokens >= minimum:
            entries.append(Written(ends[index].digest, life_s))
            if index > at:
                up_to = ends[index].tokens
                up_to_1h = up_to if life_s >= HOUR_S else up_to_1h
    return CacheUse(
        read=known, written=up_to - known, written_1h=up_to_1h - known, entries=tuple(entries)
    )


def _part_ends(call: Call, scope: bytes) -> list[Beginning]:
    """Returns the prompt up to the end of each part."""
    running = hashlib.blake2b(scope, digest_size=HASH_BYTES)
    ends, tokens = [], 0
    for part in call.parts:
        running.update(part.header)
        running.update(part.content)
        tokens += part.tokens
        ends.append(Beginning(tokens, running.digest()))
    return ends


def _units(call: Call, scope: bytes, unit: int) -> Iterator[Beginning]:
    """Yields the prompt up to each whole unit of tokens.

    A unit may end within a text, at the byte where its last token ends. One that ends within
    an image is known by all of the image.
    """
    running = hashlib.blake2b(scope, digest_size=HASH_BYTES)
    tokens = 0
    for part in call.parts:
        running.update(part.header)
        content = memoryview(part.content)
        places = range((tokens // unit + 1) * unit, tokens + part.tokens + 1, unit)
        if part.kind == "image":
            running.update(content)
            digest = running.digest()
            yield from (Beginning(place, digest) for place in places)
        else:
            size, done = call.bytes_per_token, 0
            for place in places:
                end = (place - tokens) * size
                running.update(content[done:end])
                done = end
                yield Beginning(place, running.digest())
            running.update(content[done:])
        tokens += part.tokens
