"""The store's thread: all writes of a run, in their order, off the event loop.

Writes that wait at the same time share a transaction, so that sixteen episodes cost about
one commit a step. Whoever waits for a write goes on only when it is on disk.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from icil.results import RunStore

Write = Callable[[], Any]


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
            StoreError: It, or one that shared its transaction, could not be written.
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
            try:
                results = await loop.run_in_executor(
                    self._thread, self._commit, [write for write, _ in batch]
                )
            except Exception as error:  # noqa: BLE001 - raised again where each is awaited
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():  # its episode may have been cancelled meanwhile
                    future.set_result(result)
        self._flushing = None

    def _commit(self, writes: list[Write]) -> list[Any]:
        with self._store.transaction():
            return [write() for write in writes]
