"""The gate: how many requests to a model are on their way at once.

Additive increase, multiplicative decrease, as TCP does: a request that is answered lets a
little more in; one that was too many lets in half of what is on its way, once for all that
were sent before. How many were too many is remembered: so many are tried again only after a
while, for each try costs what the server then asks to wait; and if they are too many again, one
fewer are let in, not half. While the server asks to wait, nothing is let in.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_HELD = 10.0
"""For how many times the wait that the server asked for nobody tries what was too many."""
_HELD_S, _HELD_LONGEST_S = 1.0, 60.0
"""The same in seconds, at least and at most: what a server counts by the minute is there again."""


class Gate:
    """Lets a changing number of requests through at once, in their order.

    Args:
        most: The most that are ever let in together.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._inside = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._entered = 0
        """How many were ever let in."""
        self._cut_at = 0
        """What `_entered` was when the limit was last halved."""
        self._too_many = math.inf
        """How many were on their way when it was."""
        self._held_until = 0.0
        """When so many are tried again, by the loop's clock, in seconds."""
        self._closed_until = 0.0
        """By the loop's clock, in seconds."""
        self._opening: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """How many are let in together now; at least 1."""
        return int(self._limit)

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[int]:
        """Waits for a place and holds it; gives the ticket that `slow_down` asks for."""
        if self._waiting or not self._free():
            place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            self._open_later()
            try:
                ticket = await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._leave()  # it was given a place that nobody will use
                elif place in self._waiting:
                    self._waiting.remove(place)
                raise
        else:
            ticket = self._take()
        try:
            yield ticket
        finally:
            self._leave()

    def speed_up(self) -> None:
        """Is told that a request was answered."""
        grown = self._limit + 1 / self._limit
        if asyncio.get_running_loop().time() < self._held_until:
            grown = min(grown, max(self._limit, self._too_many - 1))
        self._limit = min(self._most, grown)
        self._let_in()

    def slow_down(self, ticket: int, wait_s: float = 0.0) -> None:
        """Is told that a request was one too many.

        Args:
            ticket: The request's, from `enter`.
            wait_s: How long the server asks to wait, in seconds.
        """
        now = asyncio.get_running_loop().time()
        if ticket > self._cut_at:
            self._cut_at = self._entered
            # Of the limit alone it would take many halvings until fewer are sent than now.
            sent = min(self.limit, self._inside)
            if now >= self._held_until and sent >= self._too_many:
                self._limit = max(1.0, self._too_many - 1)
            else:
                self._limit, self._too_many = max(1.0, sent / 2), sent
            held_s = min(_HELD_LONGEST_S, max(_HELD_S, _HELD * wait_s))
            self._held_until = now + wait_s + held_s
        self._closed_until = max(self._closed_until, now + wait_s)

    def _free(self) -> bool:
        closed = asyncio.get_running_loop().time() < self._closed_until
        return not closed and self._inside < self.limit

    def _take(self) -> int:
        self._inside += 1
        self._entered += 1
        return self._entered

    def _leave(self) -> None:
        self._inside -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._free():
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(self._take())
        self._open_later()

    def _open_later(self) -> None:
        """Comes back when the server's wait is over, if anybody waits for that."""
        loop = asyncio.get_running_loop()
        if self._waiting and self._opening is None and loop.time() < self._closed_until:
            self._opening = loop.call_at(self._closed_until, self._open)

    def _open(self) -> None:
        self._opening = None
        self._let_in()
