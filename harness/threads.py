"""Slow calls, kept off the event loop."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def call(slow: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function, in a thread if it is slow.

    When the caller is cancelled meanwhile, it goes on only after the thread is done: what the
    function works on (an environment, an engine) must not be closed under it.
    """
    if not slow:
        return function(*args, **kwargs)

    def finished() -> T:
        try:
            return function(*args, **kwargs)
        except StopIteration as error:  # no future can hold it
            raise RuntimeError(f"{function!r} raised StopIteration") from error

    running = asyncio.ensure_future(asyncio.to_thread(finished))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.add_done_callback(_heed)
        await asyncio.wait([running])
        raise


def _heed(done: asyncio.Future[T]) -> None:
    """Looks at the error, if any, of what nobody waits for; else asyncio complains about it."""
    if not done.cancelled():
        done.exception()
