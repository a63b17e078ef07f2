"""Engines kept alive and shared: a pool of running processes for each way of starting one.

An engine starts when a move is asked for and none is idle, serves one call at a time, and lives
until the interpreter ends. There are at most as many of a kind as there are processor cores:
more would only take time from each other. One that dies or hangs is replaced, and asked again
with the whole game so far, so that no game notices.
"""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from typing import TypeVar

import chess

from icil.tasks.chess.uci import EngineFault, UciEngine
from icil.tasks.errors import UsageError

T = TypeVar("T")

ATTEMPTS = 3
"""How many engines, one after the other, are asked for a move before it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKind:
    """What tells engines apart."""

    path: str
    options: tuple[tuple[str, int], ...]
    """UCI options: names and values."""
    timeout_s: float
    """How long any one answer may take, in seconds, before the engine counts as hung."""


class EnginePool:
    """The running engines of one kind; safe to use from many threads.

    Args:
        kind: How they are started.
        size: The most that run at once; further callers wait.
    """

    def __init__(self, kind: EngineKind, size: int) -> None:
        self._kind = kind
        self._places = BoundedSemaphore(size)
        self._lock = Lock()
        self._idle: list[UciEngine] = []
        self._running: set[UciEngine] = set()

    @property
    def pids(self) -> frozenset[int]:
        """The ids of the processes that run."""
        with self._lock:
            return frozenset(engine.pid for engine in self._running)

    def name(self) -> str:
        """Returns what the engine calls itself, version included.

        Raises:
            UsageError: It cannot be started.
        """
        return self._ask(lambda engine: engine.name)

    def choose(self, board: chess.Board, go: str, *, forget: bool = False) -> chess.Move:
        """Returns an engine's move; the arguments are those of `UciEngine.choose`.

        Raises:
            UsageError: Engines keep dying, hanging or answering rubbish.
        """
        return self._ask(lambda engine: engine.choose(board, go, forget=forget))

    def close(self) -> None:
        """Ends all the engines; the pool can be used again."""
        with self._lock:
            engines, self._running, self._idle = self._running, set(), []
        for engine in engines:
            engine.kill()

    def _ask(self, question: Callable[[UciEngine], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._engine() as engine:
                    return question(engine)
            except EngineFault as fault:
                if attempt == ATTEMPTS:
                    raise UsageError(
                        f"the chess engine {self._kind.path} {fault} (tried {ATTEMPTS} times): "
                        "check that it is a UCI engine for this machine; where it only needs "
                        "longer, raise the setting `engine_timeout_s`"
                    ) from fault
        raise AssertionError("unreachable")

    @contextmanager
    def _engine(self) -> Iterator[UciEngine]:
        with self._places:
            with self._lock:
                engine = self._idle.pop() if self._idle else None
            if engine is None:
                engine = UciEngine(self._kind.path, dict(self._kind.options), self._kind.timeout_s)
                with self._lock:
                    self._running.add(engine)
            try:
                yield engine
            except BaseException:  # also Ctrl-C, which cuts a conversation short
                with self._lock:
                    self._running.discard(engine)
                engine.kill()
                raise
            with self._lock:
                if engine in self._running:  # not closed meanwhile
                    self._idle.append(engine)


_POOLS: dict[EngineKind, EnginePool] = {}
_LEFT: list[dict[EngineKind, EnginePool]] = []
"""Pools of the parent's, kept so that this process does not tidy up after them."""
_LOCK = Lock()


def engine_pool(kind: EngineKind) -> EnginePool:
    """Returns the process-wide pool of a kind of engine; starts nothing."""
    with _LOCK:
        if kind not in _POOLS:
            _POOLS[kind] = EnginePool(kind, os.cpu_count() or 1)
        return _POOLS[kind]


def close_engines() -> None:
    """Ends all the engines that run, as is done when the interpreter ends."""
    with _LOCK:
        pools = list(_POOLS.values())
    for pool in pools:
        pool.close()


def _begin_anew() -> None:
    """Leaves the engines to the process that started them, after a fork."""
    global _LOCK
    _LOCK = Lock()
    _LEFT.append(dict(_POOLS))
    _POOLS.clear()


atexit.register(close_engines)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
