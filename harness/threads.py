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
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
