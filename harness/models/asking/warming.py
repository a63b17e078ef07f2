"""Warming: the first request of a prefix is answered before the others of it are sent.

A provider's cache holds a prefix only once a request with it has been answered: sixteen
episodes that begin together would all pay for writing it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

_KEPT = 1024
"""How many prefixes are remembered as warm."""


class Warming:
    """Knows which prefixes are warm."""

    def __init__(self) -> None:
        self._warm: OrderedDict[bytes, None] = OrderedDict()
        self._first: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        """Held by who sends the first request, and by those who wait for it."""

    @asynccontextmanager
    async def warmed(self, prefix: bytes) -> AsyncIterator[None]:
        """Waits while somebody else sends the first request of a prefix.

        If that fails, the next in line is the first.
        """
        if prefix in self._warm:
            self._warm.move_to_end(prefix)
            yield
            return
        lock = self._first.setdefault(prefix, asyncio.Lock())
        async with lock:
            if prefix not in self._warm:
                yield
                self._warm[prefix] = None
                if len(self._warm) > _KEPT:
                    self._warm.popitem(last=False)
                return
        yield
