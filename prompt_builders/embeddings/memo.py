"""Values that are made once, also where threads ask for the same one at the same time."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Slot(Generic[V]):
    lock: Lock = field(default_factory=Lock)
    value: list[V] = field(default_factory=list)
    """One, or none yet."""


class Memo(Generic[K, V]):
    """Remembers the values that were asked for last.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, Lock()
        self._slots: dict[K, _Slot[V]] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Returns a value, made now if it is not remembered.

        What `make` raises is raised, and it is called again the next time.
        """
        with self._lock:
            slot = self._slots.pop(key) if key in self._slots else _Slot[V]()
            self._slots[key] = slot  # the last, and so the last to go
            while len(self._slots) > self._size:
                del self._slots[next(iter(self._slots))]
        with slot.lock:
            if not slot.value:
                slot.value.append(make())
        return slot.value[0]
