"""Worker processes: a function applied to many jobs, where the GIL would serialise them.

They are started afresh, for engines, emulators and threads of this process must not be copied
into them; they leave Ctrl-C to this process, and end when it ends, however that comes about.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

J = TypeVar("J")
R = TypeVar("R")


def in_processes(
    function: Callable[[J], R],
    jobs: Iterable[J],
    workers: int,
    prepare: Callable[..., None],
    *given: Any,
) -> Generator[R, None, None]:
    """Yields what a function makes of each job, in the order in which they are done.

    Whoever stops in the middle closes the generator: what is being done then is thrown away.

    Args:
        function: What is done; a function of a module, as is `prepare`.
        jobs: What it is given.
        workers: How many processes there are, 1 or more.
        prepare: Is called once in each process, before all else.
        given: Its arguments.

    Raises:
        BrokenProcessPool: A process died.
    """
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(prepare, given)
    ) as pool:
        try:
            with _uninterrupted():
                running = [pool.submit(function, job) for job in jobs]
            for future in as_completed(running):
                yield future.result()
        except BaseException:
            # What they are at now may take them minutes.
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise


def _begin(prepare: Callable[..., None], given: tuple[Any, ...]) -> None:
    os.nice(5)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(*given)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C back from this process for now, and for ever from those that it starts.

    They would each print a traceback; they are stopped by this one.
    """
    held: list[int] = []
    here = threading.current_thread() is threading.main_thread()
    # What is blocked, started processes inherit; to this one it comes by way of another thread.
    handler = signal.signal(signal.SIGINT, lambda number, _: held.append(number)) if here else None
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if here:
            signal.signal(signal.SIGINT, handler)
    if held:
        signal.raise_signal(signal.SIGINT)
