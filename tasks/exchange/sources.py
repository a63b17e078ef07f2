"""Sources: where demonstrations of others come from, by name.

A source is a function of a place and a task that returns what is recorded there. Third parties
list theirs under the entry-point group `icil.sources`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from icil.tasks.errors import PoolError
from icil.tasks.exchange.recording import Recording, UntrueError, play
from icil.tasks.openings import Split
from icil.tasks.pools import Origin, Pool, PoolCard, make_pool, save_pool
from icil.tasks.registry import Registry
from icil.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """What is recorded in one place for one task."""

    origin: Origin
    count: int
    episodes: Iterator[Recording]
    """Read one after the other; `PoolError` where one is damaged."""
    split: Split = "demonstration"
    card: PoolCard | None = None
    """That of the pool that they were, which it is again if nothing of it has changed."""


Source = Callable[[str, Task[Any]], Recordings]

_SOURCES: Registry[Recordings] = Registry(
    "source",
    "icil.sources",
    {
        "lerobot": "icil.tasks.exchange.lerobot:read_lerobot",
        "lmact": "icil.tasks.exchange.lmact:read_lmact",
        "minari": "icil.tasks.exchange.minari:read_minari",
    },
)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What came of an import."""

    pool: Pool
    untrue: tuple[str, ...]
    """Why which demonstrations were left out."""
    shortened: int
    """How many demonstrations went on beyond the task's horizon and were cut there."""


def import_pool(
    source: str,
    where: str,
    task: Task[Any],
    folder: Path,
    *,
    skip_untrue: bool = False,
    progress: Callable[[int], None] = lambda count: None,
) -> Imported:
    """Makes a pool of the demonstrations of others, each of which is played and compared.

    Args:
        source: The source's name.
        where: The place, as the source takes it: a folder or an id.
        task: The task.
        folder: Where the pool goes; it does not exist yet.
        skip_untrue: Whether demonstrations that do not replay are left out, instead of being
            an error.
        progress: Called before the first and after each episode, with how many there are.

    Raises:
        UnknownNameError: There is no such source.
        PoolError: There is nothing of this task there, something is damaged, a demonstration
            does not replay, or the folder exists or cannot be written.
    """
    read: Source = _SOURCES.find(source).factory
    if folder.exists():
        raise PoolError(f"{folder} exists already; a pool is not overwritten")
    found = read(where, task)
    progress(found.count)
    demonstrations, untrue, shortened = [], [], 0
    for recording in found.episodes:
        try:
            demonstration, beyond = play(task, recording)
        except UntrueError as error:
            what = f"{recording.id} of {where} does not replay as {task.name}: {error}"
            if not skip_untrue:
                raise PoolError(f"{what}; --skip-untrue leaves such ones out") from error
            untrue.append(what)
        else:
            demonstrations.append(demonstration)
            shortened += beyond > 0
        progress(found.count)
    if not demonstrations:
        first = f"; the first: {untrue[0]}" if untrue else ""
        raise PoolError(f"none of the {found.count} episodes of {where} replays{first}")
    pool = make_pool(task, demonstrations, split=found.split, origin=found.origin)
    if found.card is not None and found.card.hash == pool.hash:
        pool = replace(pool, card=found.card)
    save_pool(pool, folder)
    return Imported(pool=pool, untrue=tuple(untrue), shortened=shortened)
