"""Building pools: a player plays the openings of a split, in many processes.

Each finished demonstration is appended to `FOLDER.part`, so that a build that was killed goes
on where it was. The pool is the same whatever the number of processes and interruptions: a
demonstration is a function of its opening (an expert that is limited by time, or an engine
that is not deterministic, excepted).
"""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from icil.tasks.demonstrations import Demonstration, demonstrate
from icil.tasks.errors import PoolError
from icil.tasks.openings import Opening, Split, take
from icil.tasks.players import Player, make_player
from icil.tasks.pools import Pool, make_pool, save_pool
from icil.tasks.task import Task
from icil.tasks.tasks import make

_LINE = TypeAdapter(Demonstration)


def build_pool(
    task: Task[Any],
    episodes: int,
    *,
    played: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Pool:
    """Builds a pool in this process, in memory.

    Args:
        task: The task.
        episodes: How many demonstrations it has.
        played: How many openings the expert plays; of more than `episodes`, those with the
            best returns are kept.
        progress: Called after each episode.
    """
    demonstrations: list[Demonstration] = []
    for opening in take(task.openings("demonstration"), played or episodes):
        demonstrations.append(_demonstrate(task, opening))
        progress()
    return _pool_of_best(task, demonstrations, episodes)


def build_pool_in(
    folder: Path,
    name: str,
    episodes: int,
    *,
    settings: Mapping[str, Any] | None = None,
    split: Split = "demonstration",
    player: Player = "expert",
    played: int | None = None,
    workers: int = 1,
    progress: Callable[[], None] = lambda: None,
) -> Pool:
    """Builds a pool in a new folder, in several processes, going on where a build was stopped.

    Args:
        folder: Where; it does not exist yet.
        name: The task's name.
        episodes: How many demonstrations it has.
        settings: The task's settings.
        split: Which openings are played; a pool of evaluation openings is never shown to a model.
        player: Who plays them.
        played: How many openings are played; see `build_pool`.
        workers: How many processes play.
        progress: Called after each episode, those of earlier builds included.

    Raises:
        PoolError: The folder exists or cannot be written, or another process builds there;
            there are remains of another build; a worker process died.
    """
    _check_new(folder)
    given = dict(settings or {})
    task = make(name, given)
    head = _head(task, split, player)
    openings = list(take(task.openings(split), played or episodes))
    journal = folder.with_name(folder.name + ".part")
    with _reserved(folder, journal):
        with _writing(journal):
            found = _resume(journal, head)
        for _ in found:
            progress()
        missing = [opening for opening in openings if _id(opening) not in found]
        with closing(_play(_Job(name, given, split, player), task, missing, workers)) as playing:
            for demonstration in playing:
                found[demonstration.id] = demonstration
                with _writing(journal), journal.open("ab") as file:
                    file.write(_LINE.dump_json(demonstration) + b"\n")
                progress()
        everything = [found[_id(opening)] for opening in openings]
        pool = _pool_of_best(task, everything, episodes, split, player)
        save_pool(pool, folder)
        with _writing(journal):
            journal.unlink(missing_ok=True)
    return pool


@contextmanager
def _reserved(folder: Path, journal: Path) -> Iterator[None]:
    """Keeps other builds from the same folder.

    Raises:
        PoolError: There is one at it, or was one meanwhile.
    """
    path = journal.with_name(journal.name + ".lock")
    lock = FileLock(path, timeout=0)
    with _writing(journal):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise PoolError(f"{folder} is being built by another process") from error
    try:
        _check_new(folder)
        yield
    finally:
        with suppress(OSError):  # not every system removes a file that is open
            path.unlink()
        lock.release()


def _check_new(folder: Path) -> None:
    if folder.exists():
        raise PoolError(f"{folder} exists already; a pool is not overwritten")


@contextmanager
def _writing(journal: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PoolError(f"cannot write {journal}: {error}") from error


class _Job(NamedTuple):
    """What a worker process must know."""

    task: str
    settings: Mapping[str, Any]
    split: Split
    player: Player


def _pool_of_best(
    task: Task[Any],
    played: Sequence[Demonstration],
    episodes: int,
    split: Split = "demonstration",
    player: Player = "expert",
) -> Pool:
    best = sorted(played, key=lambda d: -d.total)[:episodes]
    chosen = sorted(best, key=lambda d: d.opening.index)
    return make_pool(task, chosen, played=len(played), split=split, player=player)


def _play(
    job: _Job, task: Task[Any], openings: Sequence[Opening], workers: int
) -> Generator[Demonstration, None, None]:
    if workers == 1:
        yield from (_demonstrate(task, opening, job.player) for opening in openings)
        return
    # Engines, emulators and threads of this process must not be copied into the others.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_prepare, initargs=(job,)
    ) as pool:
        try:
            with _uninterrupted():
                playing = [pool.submit(_demonstrate_here, opening.index) for opening in openings]
            for future in as_completed(playing):
                yield future.result()
        except BrokenProcessPool as error:
            raise PoolError(
                f"a worker process died (killed, out of memory, or unable to make {job.task}); "
                "what was played is kept: the same command goes on"
            ) from error
        except BaseException:
            # What they are playing now may take them minutes.
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise


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


_HERE: list[tuple[_Job, Task[Any]]] = []
"""What this worker process plays."""


def _prepare(job: _Job) -> None:
    os.nice(5)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _HERE[:] = [(job, make(job.task, job.settings))]


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _demonstrate_here(index: int) -> Demonstration:
    ((job, task),) = _HERE
    return _demonstrate(task, task.openings(job.split)[index], job.player)


def _demonstrate(task: Task[Any], opening: Opening, player: Player = "expert") -> Demonstration:
    return demonstrate(task, opening, _id(opening), player)


def _id(opening: Opening) -> str:
    return f"{opening.index:05d}"


def _head(task: Task[Any], split: Split, player: Player) -> str:
    """Returns the first line of a journal: what is built."""
    with closing(make_player(task, player)) as expert:
        head = {
            "task": task.name,
            "version": task.version,
            "settings": dict(task.settings),
            "split": split,
            "expert": expert.name,
            "expert_settings": dict(expert.settings),
        }
    return json.dumps(head, sort_keys=True)


def _resume(journal: Path, first: str) -> dict[str, Demonstration]:
    """Returns what an earlier build has played, or begins a new journal."""
    if not journal.exists():
        journal.write_text(first + "\n", encoding="utf-8")
        return {}
    *lines, cut = journal.read_bytes().split(b"\n")
    if not lines or lines[0].decode("utf-8", "replace") != first:
        raise PoolError(
            f"{journal} holds the remains of another build; remove it, or build elsewhere"
        )
    try:
        found = {d.id: d for d in map(_LINE.validate_json, lines[1:])}
    except ValidationError as error:
        raise PoolError(f"{journal} is damaged; remove it and build anew") from error
    if cut:  # the process died in the middle of a line
        os.truncate(journal, journal.stat().st_size - len(cut))
    return found
