"""The store's thread: all writes of a run, in their order, off the event loop.

Writes that wait at the same time share a transaction, so that sixteen episodes cost about
one commit a step. Whoever waits for a write goes on only when it is on disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from icil.results import RunStore

Write = Callable[[], Any]


class _Outcome(NamedTuple):
    result: Any
    error: Exception | None


class StoreWriter:
    """Runs functions of a store on a thread of their own."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._waiting: list[tuple[Write, asyncio.Future[Any]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def __call__(self, write: Write) -> Any:
        """Runs a function of the store; returns what it returned, once that is on disk.

        Raises:
            StoreError: It could not be written.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await future

    async def close(self) -> None:
        """Waits until all is written, and ends the thread."""
        if self._flushing is not None:
            await self._flushing
        self._thread.shutdown()

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            writes = [write for write, _ in batch]
            outcomes = await loop.run_in_executor(self._thread, self._commit, writes)
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():  # its episode was cancelled meanwhile
                    continue
                if outcome.error is not None:
                    future.set_exception(outcome.error)
                else:
                    future.set_result(outcome.result)
        self._flushing = None

    def _commit(self, writes: Sequence[Write]) -> list[_Outcome]:
        try:
            with self._store.transaction():
                return [_Outcome(write(), None) for write in writes]
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            if len(writes) == 1:
                return [_Outcome(None, error)]
        # One of them cannot be written; what the others bring was paid for.
        return [outcome for write in writes for outcome in self._commit([write])]
