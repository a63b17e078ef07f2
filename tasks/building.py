"""Building pools: a player plays the openings of a split, in many processes.

Each finished demonstration is appended to `FOLDER.part`, so that a build that was killed goes
on where it was. The pool is the same whatever the number of processes and interruptions: a
demonstration is a function of its opening (an expert that is limited by time, or an engine
that is not deterministic, excepted).
"""

import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from icil.tasks.demonstrations import Demonstration, demonstrate
from icil.tasks.errors import PoolError, UsageError
from icil.tasks.openings import Opening, Split, take
from icil.tasks.players import make_player
from icil.tasks.pools import Pool, make_pool, save_pool
from icil.tasks.processes import in_processes
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
    player: str = "expert",
    first: int = 0,
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
        player: Who plays them; see `make_player`.
        first: The index of the first opening that is played.
        played: How many openings are played; see `build_pool`.
        workers: How many processes play.
        progress: Called after each episode, those of earlier builds included.

    Raises:
        PoolError: The folder exists or cannot be written, or another process builds there;
            there are remains of another build; a worker process died.
    """
    _check_new(folder)
    job = _Job(name, dict(settings or {}), split, player)
    task = make(job.task, job.settings)
    head = _head(task, job)
    openings = list(take(task.openings(split), played or episodes, first))
    journal = folder.with_name(folder.name + ".part")
    with _reserved(folder, journal):
        _check_new(folder)
        everything = _play_into(journal, head, job, task, openings, workers, progress)
        pool = _pool_of_best(task, everything, episodes, split, player)
        save_pool(pool, folder)
        with _writing(journal):
            journal.unlink(missing_ok=True)
    return pool


def play_openings(
    journal: Path,
    name: str,
    episodes: int,
    *,
    settings: Mapping[str, Any] | None = None,
    player: str,
    first: int,
    workers: int = 1,
    progress: Callable[[], None] = lambda: None,
) -> tuple[Demonstration, ...]:
    """Lets a player play demonstration openings, in several processes, into a file that stays.

    What is in the file is not played again, neither after an interruption nor for more episodes.

    Args:
        journal: The file, which need not exist.
        name: The task's name.
        episodes: How many openings are played.
        settings: The task's settings.
        player: Who plays; see `make_player`.
        first: The index of the first opening.
        workers: How many processes play.
        progress: Called after each episode, those in the file included.

    Returns:
        An episode for each opening, in their order.

    Raises:
        PoolError: The file cannot be written, is of another player or task, is damaged, or
            another process writes it; a worker process died.
    """
    job = _Job(name, dict(settings or {}), "demonstration", player)
    task = make(job.task, job.settings)
    head = _head(task, job)
    openings = list(take(task.openings(job.split), episodes, first))
    with _reserved(journal, journal):
        return tuple(_play_into(journal, head, job, task, openings, workers, progress))


def _play_into(
    journal: Path,
    head: str,
    job: "_Job",
    task: Task[Any],
    openings: Sequence[Opening],
    workers: int,
    progress: Callable[[], None],
) -> list[Demonstration]:
    """Plays what a journal does not hold yet, and returns an episode for each opening."""
    with _writing(journal):
        found = _resume(journal, head)
    missing = [opening for opening in openings if _id(opening) not in found]
    for _ in range(len(openings) - len(missing)):
        progress()
    with closing(_play(job, task, missing, workers)) as playing:
        for demonstration in playing:
            found[demonstration.id] = demonstration
            with _writing(journal), journal.open("ab") as file:
                file.write(_LINE.dump_json(demonstration) + b"\n")
            progress()
    return [found[_id(opening)] for opening in openings]


@contextmanager
def _reserved(goal: Path, journal: Path) -> Iterator[None]:
    """Keeps other builds from the same journal.

    Raises:
        PoolError: There is one at it.
    """
    path = journal.with_name(journal.name + ".lock")
    lock = FileLock(path, timeout=0)
    with _writing(journal):
        journal.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise PoolError(f"{goal} is being built by another process") from error
    try:
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
    player: str


def _pool_of_best(
    task: Task[Any],
    played: Sequence[Demonstration],
    episodes: int,
    split: Split = "demonstration",
    player: str = "expert",
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
    numbers = [opening.index for opening in openings]
    try:
        with closing(in_processes(_demonstrate_here, numbers, workers, _prepare, job)) as playing:
            yield from playing
    except BrokenProcessPool as error:
        raise PoolError(
            f"a worker process died (killed, out of memory, or unable to make {job.task}); "
            "what was played is kept: the same command goes on"
        ) from error


_HERE: list[tuple[_Job, Task[Any]]] = []
"""What this worker process plays."""


def _prepare(job: _Job) -> None:
    _HERE[:] = [(job, make(job.task, job.settings))]


def _demonstrate_here(index: int) -> Demonstration:
    ((job, task),) = _HERE
    return _demonstrate(task, task.openings(job.split)[index], job.player)


def _demonstrate(task: Task[Any], opening: Opening, player: str = "expert") -> Demonstration:
    return demonstrate(task, opening, _id(opening), player)


def _id(opening: Opening) -> str:
    return f"{opening.index:05d}"


def _head(task: Task[Any], job: _Job) -> str:
    """Returns the first line of a journal: what is built.

    Raises:
        UsageError: The task is in an action language.
    """
    if type(task).tell is not Task.tell:
        raise UsageError(
            "a pool holds what was played, whatever language it is shown in: leave out "
            "action_language and chunk"
        )
    with closing(make_player(task, job.player)) as expert:
        head = {
            "task": task.name,
            "version": task.version,
            "settings": dict(task.settings),
            "split": job.split,
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
