"""Gemini's cached contents: beginnings of prompts that a client has the server keep.

Unlike the prefix caches they hold the texts, for the model must see them; of images they hold
hashes, like every call. The oldest go when there are too many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock

from icil.harness.fake_server.call import Call, Part
from icil.harness.fake_server.dialect import Json, timestamp

_LIFE_S = 3600.0
_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldContent:
    """A beginning that is kept."""

    name: str
    """`cachedContents/ID`."""
    model: str
    display_name: str
    parts: tuple[Part, ...]
    tokens: int
    created: float
    """In unix seconds, like all times here."""
    updated: float
    expires: float

    def write(self) -> Json:
        """Words it as Gemini does: all but what it holds."""
        return {
            "name": self.name,
            "model": f"models/{self.model}",
            "displayName": self.display_name,
            "createTime": timestamp(self.created),
            "updateTime": timestamp(self.updated),
            "expireTime": timestamp(self.expires),
            "usageMetadata": {"totalTokenCount": self.tokens},
        }


def read_expiry(ttl: str | None, expire_time: str | None, now: float) -> float:
    """Returns when a content expires, in unix seconds.

    Raises:
        ValueError: One of the times is none.
    """
    if expire_time is not None:
        return datetime.fromisoformat(expire_time).timestamp()
    return now + (_LIFE_S if ttl is None else float(ttl.removesuffix("s")))


class HeldContents:
    """The contents that are kept; may be used from several threads.

    Args:
        clock: Returns unix seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._held: dict[str, HeldContent] = {}
        self._made = 0
        self._lock = Lock()

    def create(self, call: Call, display_name: str, expires: float) -> HeldContent:
        """Keeps the prompt of a call."""
        now = self.clock()
        with self._lock:
            self._made += 1
            held = HeldContent(
                name=f"cachedContents/fake{self._made:08d}",
                model=call.model,
                display_name=display_name,
                parts=call.parts,
                tokens=call.tokens,
                created=now,
                updated=now,
                expires=expires,
            )
            self._held[held.name] = held
            if len(self._held) > _MOST:
                del self._held[next(iter(self._held))]
        return held

    def get(self, name: str) -> HeldContent | None:
        """Returns a content, or None if there is none of that name or it has expired."""
        with self._lock:
            held = self._held.get(name)
            if held is not None and held.expires <= self.clock():
                del self._held[name]
                return None
            return held

    def all(self) -> Sequence[HeldContent]:
        """Returns those that have not expired, the oldest first."""
        with self._lock:
            now = self.clock()
            return [held for held in self._held.values() if held.expires > now]

    def prolong(self, held: HeldContent, expires: float) -> HeldContent:
        """Sets when a content expires."""
        with self._lock:
            held = replace(held, expires=expires, updated=self.clock())
            self._held[held.name] = held
        return held

    def delete(self, name: str) -> None:
        """Forgets a content."""
        with self._lock:
            self._held.pop(name, None)
