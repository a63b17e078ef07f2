"""Building pools: a player plays the openings of a split, in many processes.

Each finished demonstration is appended to `FOLDER.part`, so that a build that was killed goes
on where it was. The pool is the same whatever the number of processes and interruptions: a
demonstration is a function of its opening (an expert that is limited by time, or an engine
that is not deterministic, excepted).
"""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

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
        PoolError: The folder exists or cannot be written; there are remains of another build.
    """
    if folder.exists():
        raise PoolError(f"{folder} exists already; a pool is not overwritten")
    given = dict(settings or {})
    task = make(name, given)
    journal = folder.with_name(folder.name + ".part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        found = _resume(journal, task, split, player)
        for _ in found:
            progress()
        openings = list(take(task.openings(split), played or episodes))
        missing = [opening for opening in openings if _id(opening) not in found]
        with journal.open("ab") as file:
            for demonstration in _play(_Job(name, given, split, player), task, missing, workers):
                found[demonstration.id] = demonstration
                file.write(_LINE.dump_json(demonstration) + b"\n")
                file.flush()
                progress()
    except OSError as error:
        raise PoolError(f"cannot write {journal}: {error}") from error
    everything = [found[_id(opening)] for opening in openings]
    pool = _pool_of_best(task, everything, episodes, split, player)
    save_pool(pool, folder)
    journal.unlink()
    return pool


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
) -> Iterator[Demonstration]:
    if workers == 1:
        yield from (_demonstrate(task, opening, job.player) for opening in openings)
        return
    # Engines, emulators and threads of this process must not be copied into the others.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_prepare, initargs=(job,)
    ) as pool:
        playing = [pool.submit(_demonstrate_here, opening.index) for opening in openings]
        try:
            for future in as_completed(playing):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


_HERE: list[tuple[_Job, Task[Any]]] = []
"""What this worker process plays."""


def _prepare(job: _Job) -> None:
    os.nice(5)
    _HERE[:] = [(job, make(job.task, job.settings))]


def _demonstrate_here(index: int) -> Demonstration:
    ((job, task),) = _HERE
    return _demonstrate(task, task.openings(job.split)[index], job.player)


def _demonstrate(task: Task[Any], opening: Opening, player: Player = "expert") -> Demonstration:
    return demonstrate(task, opening, _id(opening), player)


def _id(opening: Opening) -> str:
    return f"{opening.index:05d}"


def _resume(
    journal: Path, task: Task[Any], split: Split, player: Player
) -> dict[str, Demonstration]:
    """Returns what an earlier build has played, or begins a new journal."""
    with closing(make_player(task, player)) as expert:
        head = {
            "task": task.name,
            "version": task.version,
            "settings": dict(task.settings),
            "split": split,
            "expert": expert.name,
            "expert_settings": dict(expert.settings),
        }
    first = json.dumps(head, sort_keys=True)
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
