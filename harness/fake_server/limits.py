"""Rate limits: so many requests a second, so many at once."""

from collections.abc import Callable
from math import ceil

from icil.harness.fake_server.dialect import Quota


class RateLimit:
    """A bucket that a request takes a token from, and that fills again as time goes by.

    Args:
        requests_per_s: How fast it fills, and how many it holds (at least one).
        most_at_once: How many requests may be handled at the same time.
        clock: Returns unix seconds.
    """

    def __init__(
        self,
        requests_per_s: float | None,
        most_at_once: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._rate, self._most_at_once, self._clock = requests_per_s, most_at_once, clock
        self._size = max(1, ceil(requests_per_s or 0))
        self._tokens, self._filled = float(self._size), clock()

    def take(self, at_once: int) -> float | None:
        """Lets a request in, or returns how long it should wait, in seconds.

        Args:
            at_once: How many are being handled, this one included.
        """
        if self._most_at_once is not None and at_once > self._most_at_once:
            return 1.0
        if self._rate is None:
            return None
        self._fill(self._rate)
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return None

    def quota(self) -> Quota | None:
        """Returns what is left; None where the rate has no limit."""
        if self._rate is None:
            return None
        self._fill(self._rate)
        missing = (self._size - self._tokens) / self._rate
        return Quota(limit=self._size, remaining=int(self._tokens), reset_s=missing)

    def _fill(self, rate: float) -> None:
        now = self._clock()
        self._tokens = min(self._size, self._tokens + max(0.0, now - self._filled) * rate)
        self._filled = now
