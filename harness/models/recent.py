"""What was used last, up to so many bytes."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by hash; those that were not used for longest go. For several threads.

    Args:
        most: How many bytes are kept; the very last value is, whatever its size.
    """

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[bytes, tuple[T, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes) -> T | None:
        """Returns a value, or None where it is not kept."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: bytes, value: T, size: int) -> T:
        """Keeps a value of so many bytes, unless there is one; returns the one that is kept."""
        with self._lock:
            if key in self._kept:
                return self._kept[key][0]
            self._kept[key] = (value, size)
            self._size += size
            while self._size > self._most and len(self._kept) > 1:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._size -= oldest
        return value

    def pop(self, key: bytes) -> None:
        """Keeps a value no longer."""
        with self._lock:
            _, size = self._kept.pop(key, (None, 0))
            self._size -= size
