"""litellm itself: imported late, kept quiet, and run on an event loop of its own.

Before it sends, litellm copies, checks and encodes the prompt on the loop that it is called
on: with megabytes, for hundreds of milliseconds. So it is called on a loop in a thread of its
own, where cancelling a call still closes its connection. All instances share that loop, for
litellm has clients and a worker for each that it finds itself on; the last one to leave closes
them and ends it.
"""

import asyncio
import inspect
import logging
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, Thread
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")

_SWITCHES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}
"""Read when it is imported: fetch nothing from the network, read no `.env` file."""
_LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router")
_THREADS = 16
"""In which it checks and copies prompts."""
_PATIENCE_S = 10.0
"""How long its clients may take to close, in seconds."""


def load_litellm() -> ModuleType:
    """Imports litellm, which takes seconds: call it in a thread."""
    for name, value in _SWITCHES.items():
        os.environ.setdefault(name, value)
    import litellm

    litellm.suppress_debug_info = True
    litellm.redact_messages_in_exceptions = True
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return litellm


class _Loop(asyncio.SelectorEventLoop):
    """Lets go of what a thread brought for a task that is done without it.

    litellm makes its requests in threads, as coroutines that it then awaits; of one whose task
    was cancelled meanwhile, Python would complain that it never was.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        super().__init__()
        self._threads = threads

    def run_in_executor(  # type: ignore[override]
        self, executor: object, function: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        working = self._threads.submit(function, *args)
        task = asyncio.current_task(self)
        if task is not None:
            task.add_done_callback(lambda _: working.add_done_callback(_discard))
        return asyncio.wrap_future(working, loop=self)


def _discard(working: Future[Any]) -> None:
    if not working.cancelled() and working.exception() is None:
        made = working.result()
        if inspect.iscoroutine(made) and inspect.getcoroutinestate(made) == inspect.CORO_CREATED:
            made.close()


class LitellmLoop:
    """The event loop that litellm runs on; there is one while anybody uses it."""

    _lock = Lock()
    _current: "LitellmLoop | None" = None

    def __init__(self) -> None:
        self._users = 0
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="litellm")
        self._loop = _Loop(self._threads)
        self._loop.set_exception_handler(lambda *_: None)  # what its workers say is not for users
        self._thread = Thread(target=self._loop.run_forever, name="litellm", daemon=True)
        self._thread.start()

    @classmethod
    def enter(cls) -> "LitellmLoop":
        """Returns the loop; whoever enters must leave."""
        with cls._lock:
            if cls._current is None:
                cls._current = cls()
            cls._current._users += 1
            return cls._current

    def leave(self) -> None:
        """Ends the loop if nobody else uses it; may take a while: call it in a thread."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            type(self)._current = None
        ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Awaits a coroutine there; to cancel this cancels that."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        closing = asyncio.gather(_close_clients(), *tasks, return_exceptions=True)
        await asyncio.wait([closing], timeout=_PATIENCE_S)
        await self._loop.shutdown_asyncgens()
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _close_clients() -> None:
    """Closes the clients that litellm keeps for the running loop."""
    import litellm

    cache = litellm.in_memory_llm_clients_cache
    mine = f"-{id(asyncio.get_running_loop())}"  # how litellm ends their names
    for name in [name for name in cache.cache_dict if name.endswith(mine)]:
        client = cache.cache_dict.pop(name)
        cache.ttl_dict.pop(name, None)
        if hasattr(client, "close") and inspect.isawaitable(closed := client.close()):
            await closed
