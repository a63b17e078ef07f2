"""What Google caches for us: prefixes as cached contents, each paid for by the hour.

One content serves all who share a prefix: the first to come has it made, the others wait for
it. While it is used its life is prolonged. Making one goes on when those who wait for it are
cancelled: broken off, it might leave behind a content of which nobody knows. Where Google will
not cache, the prefix goes into every request.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from icil.harness.models.errors import status_error
from icil.harness.models.google.rest import ApiError, Beside, GoogleRest
from icil.prompt_builders import Prefix
from icil.tasks import ModelError

_PATIENCE_S = 10.0
"""How long closing waits for Google, in seconds; what is not deleted by then expires."""
_GONE = re.compile(r"cached?.?content.{0,80}(not found|expired)", re.IGNORECASE)
_ABOUT_CACHING = re.compile(r"cached?.?content", re.IGNORECASE)
_OF_THE_PREFIX = re.compile(r"too (small|large|long|many)|token.?count|exceed", re.IGNORECASE)
_NO_QUOTA = re.compile(r"\blimit\W{1,2}0\b", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class _Held:
    """A cached content."""

    name: str
    tokens: int
    ends: float
    """When it expires, by the event loop's clock, in seconds."""
    billed: bool = False
    """Whether what it took to make it was reported."""


class CachedPrefixes:
    """The cached contents of one model.

    Args:
        rest: Google.
        model: The model's resource name.
        beside: Makes the request that holds a prefix.
        count: Counts a prefix's tokens; called in a thread.
        minimum: The shortest prefix that is cached, in tokens.
        life_s: How long a content lives after it was last prolonged, in seconds.
    """

    def __init__(
        self,
        rest: GoogleRest,
        model: str,
        *,
        beside: Callable[[Prefix], Beside],
        count: Callable[[Prefix], int],
        minimum: int,
        life_s: float,
    ) -> None:
        self._rest, self._model = rest, model
        self._beside, self._count = beside, count
        self._minimum, self._life_s = minimum, life_s
        self._held: dict[bytes, _Held] = {}
        self._sent: set[bytes] = set()
        """The prefixes that are not cached but sent."""
        self._refused = False
        """Whether this model, or key, has no caching at all."""
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        """What makes or prolongs contents just now."""

    async def find(self, prefix: Prefix) -> str | None:
        """Returns the name of a prefix's content; None where the prefix must be sent.

        Raises:
            ModelError: It could not be made, or not prolonged.
        """
        if self._refused or prefix.hash in self._sent:
            return None
        if self._left_s(prefix) < self._life_s / 2:
            task = self._tasks.get(prefix.hash)
            if task is None:
                task = self._tasks[prefix.hash] = asyncio.create_task(self._provide(prefix))
                task.add_done_callback(_look_at)
            await asyncio.shield(task)
        held = self._held.get(prefix.hash)
        return held.name if held else None

    async def lost(self, prefix: Prefix, name: str, error: ApiError) -> bool:
        """Finds out from a failed request whether the content that it named is gone."""
        if not _is_gone(error):
            return False
        held = self._held.get(prefix.hash)
        if held is not None and held.name == name:
            del self._held[prefix.hash]
            await self._end(held)  # perhaps the server meant something else
        return True

    def bill(self, prefix: Prefix) -> int:
        """Returns how many tokens were cached, once for each time that a content was made."""
        held = self._held.get(prefix.hash)
        if held is None or held.billed:
            return 0
        held.billed = True
        return held.tokens

    async def forget(self, prefix: Prefix) -> None:
        """Deletes a prefix's content, if there is one."""
        self._sent.discard(prefix.hash)
        await self._delete(prefix.hash)

    async def close(self) -> None:
        """Deletes all contents."""
        ends = [asyncio.create_task(self._delete(key)) for key in {*self._held, *self._tasks}]
        if ends:
            _, late = await asyncio.wait(ends, timeout=_PATIENCE_S)
            late |= set(self._tasks.values())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _left_s(self, prefix: Prefix) -> float:
        held = self._held.get(prefix.hash)
        return held.ends - _now() if held else 0.0

    async def _provide(self, prefix: Prefix) -> None:
        """Prolongs a prefix's content, or makes it."""
        try:
            if self._left_s(prefix) > 0 and await self._prolong(prefix):
                return
            if await asyncio.to_thread(self._count, prefix) < self._minimum:
                self._sent.add(prefix.hash)
            else:
                await self._make(prefix)
        except ApiError as error:
            raise status_error(error.status, error.message, error.headers) from error
        finally:
            del self._tasks[prefix.hash]

    async def _prolong(self, prefix: Prefix) -> bool:
        """Returns whether the content was still there."""
        held, began = self._held[prefix.hash], _now()
        try:
            await self._rest.prolong(held.name, timedelta(seconds=self._life_s))
        except ApiError as error:
            if _is_gone(error):
                return False
            raise
        held.ends = began + self._life_s
        return True

    async def _make(self, prefix: Prefix) -> None:
        began, life = _now(), timedelta(seconds=self._life_s)
        try:
            kept = await self._rest.keep(self._model, life, self._beside(prefix))
        except ApiError as error:
            if not _will_not(error):
                raise
            self._sent.add(prefix.hash)
            only_this = _OF_THE_PREFIX.search(error.message) and not _NO_QUOTA.search(error.message)
            self._refused = not only_this
            return
        ends = began + self._life_s
        self._held[prefix.hash] = _Held(name=kept.name, tokens=kept.tokens, ends=ends)

    async def _delete(self, key: bytes) -> None:
        if key in self._tasks:
            await asyncio.wait([self._tasks[key]])
        held = self._held.get(key)
        if held is not None:
            await self._end(held)
            self._held.pop(key, None)  # not before: whoever is cancelled comes back to close

    async def _end(self, held: _Held) -> None:
        with suppress(ApiError, ModelError):  # then it expires
            await self._rest.delete(held.name)


def _is_gone(error: ApiError) -> bool:
    """Whether a request failed because its content is not there, or may have."""
    expired = error.status == 400 and _GONE.search(error.message)
    return bool(expired) or error.status in (403, 404)


def _will_not(error: ApiError) -> bool:
    """Whether Google will not cache a prefix, or nothing for this model or key."""
    if error.status == 429:  # a quota of caching is none of asking
        return _ABOUT_CACHING.search(error.message) is not None
    return error.status in (400, 404)


def _look_at(task: asyncio.Task[None]) -> None:
    """Takes note of an error: perhaps nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


def _now() -> float:
    return asyncio.get_running_loop().time()
