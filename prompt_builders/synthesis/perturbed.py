"""A perturbed expert's episodes, each played once and kept in the cache on disk.

An entry's name holds what the episode depends on: the task with its version and settings, the
expert with its own, the noise, the opening. Where the world does not repeat itself (an engine
answers as chance has it), the entries are what makes the episodes the same ones in the next run;
a lock keeps two processes from playing them at the same time, each otherwise.
"""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from typing import Any

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from icil.prompt_builders.cache import DiskCache, open_cache
from icil.prompt_builders.embeddings.space import identify
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.prompt_builders.synthesis.proposal import Proposal, Proposed
from icil.tasks import Demonstration, Opening, Task, UsageError, demonstrate
from icil.tasks.openings import take
from icil.tasks.players import PERTURBED, PerturbedExpert
from icil.tasks.seeding import digest

_LAYOUT = 1
"""Of an entry; grows whenever that, or how perturbed experts play, changes."""
_ENTRY = TypeAdapter(Demonstration)


def propose_perturbed(
    task: Task[Any], noise: float, episodes: int, first: int, tell: Telling = in_silence
) -> Proposed:
    """Returns what a perturbed expert does from demonstration openings; may take long.

    Args:
        task: The task.
        noise: How often it draws at random; see `PerturbedExpert`.
        episodes: How many openings it plays.
        first: The index of the first.
        tell: Is told how far it is, before the first episode and after each.

    Raises:
        UsageError: The task has no expert, one that takes seconds for a step, or one whose
            episodes could not be found again.
    """
    player = f"{PERTURBED}:noise={noise!r}"
    with closing(PerturbedExpert(task, noise)) as expert:
        settings, slow = dict(expert.settings), expert.slow
        if expert.plans:
            raise UsageError(
                f"{expert.settings['expert']}, the expert of {task.name}, takes seconds for a "
                f"step; {_ADVICE.format(task=task.name, player=player)}"
            )
    cache = open_cache()
    if cache is None and not task.repeatable:
        raise UsageError(
            f"an episode of {task.name} comes out otherwise each time, and there is no cache to "
            f"keep it in (ICIL_CACHE=off); {_ADVICE.format(task=task.name, player=player)}"
        )
    openings = list(take(task.openings("demonstration"), episodes, first))
    group = _group(task, settings)
    found = _find(cache, group, task, openings)
    if len(found) < episodes:
        with _alone(cache, group):
            found = _find(cache, group, task, openings)  # another process may have played them
            missing = [opening for opening in openings if opening.index not in found]
            for one in _play(task, player, missing, slow=slow):
                if one is not None:
                    found[one.opening.index] = one
                    if cache is not None:
                        cache.write(_name(group, one.opening.index), _ENTRY.dump_json(one))
                tell(f"a perturbed expert plays {task.name}", len(found), episodes)
    return Proposed(
        proposer=PERTURBED,
        settings=settings,
        episodes=tuple(Proposal(demonstration=found[o.index]) for o in openings),
    )


_ADVICE = (
    "let it play beforehand: `icil demos synthesize {task} --proposer {player} --add --out POOL`, "
    "and then `--pool POOL` with the selector random"
)


def _play(
    task: Task[Any], player: str, openings: Sequence[Opening], *, slow: bool
) -> Iterator[Demonstration | None]:
    """Yields None, and then the episodes as they are done."""
    yield None
    if not slow:
        for opening in openings:
            yield demonstrate(task, opening, str(opening.index), player)
        return
    # Whoever is slow waits for an engine, or computes outside of the interpreter.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        running = [
            threads.submit(demonstrate, task, opening, str(opening.index), player)
            for opening in openings
        ]
        try:
            for done in as_completed(running):
                yield done.result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _group(task: Task[Any], settings: dict[str, Any]) -> str:
    identity = [_LAYOUT, version("icil"), *identify(task), settings]
    return f"synthetic-{digest(json.dumps(identity, sort_keys=True)).hex()}"


def _name(group: str, index: int) -> str:
    return f"{group}/{index}"


def _find(
    cache: DiskCache | None, group: str, task: Task[Any], openings: Sequence[Opening]
) -> dict[int, Demonstration]:
    """Returns the episodes that are in the cache, by their openings' numbers."""
    found: dict[int, Demonstration] = {}
    for opening in openings if cache is not None else ():
        assert cache is not None
        entry = cache.read(_name(group, opening.index))
        if entry is None:
            continue
        try:
            one = _ENTRY.validate_json(entry)
        except ValidationError:
            continue
        if one.opening == opening:
            found[opening.index] = one
    return found


@contextmanager
def _alone(cache: DiskCache | None, group: str) -> Iterator[None]:
    """Waits until no other process plays the same; where there can be no lock, does not."""
    lock = None
    if cache is not None:
        with suppress(OSError):
            cache.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(cache.folder / f"{group}.lock")
            lock.acquire()
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
