"""Measuring how the agents of a run imitate, after it: no model is asked, no score is changed.

The episodes that are done are played again from the store. What is found of each is stored at
once, so that the same command goes on where it was stopped; an episode that was measured is not
measured again, unless its expert was left out then and is asked now.
"""

import atexit
from collections.abc import Collection, Generator, Iterable, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from icil.harness.folders.folder import LEADERBOARD, lock_folder
from icil.harness.imitation.judging import Judge
from icil.harness.imitation.past_run import PastRun
from icil.harness.playing.finishing import FIGURES, REPORT, write_all
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.results import (
    Curves,
    Gaps,
    Imitation,
    Leaderboard,
    RunStore,
    make_curves,
    make_gaps,
    make_leaderboard,
)
from icil.results.store import FILE_NAME
from icil.tasks import IcilError, RunFolderError, StoreError
from icil.tasks.processes import in_processes

CURVES, GAPS = "imitation.csv", "gaps.csv"
RESULTS = (CURVES, GAPS, LEADERBOARD, FIGURES)
"""What is written into the run's folder, beside all else that follows from its store."""

_WHAT = "episodes measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImitationSummary:
    """What was found."""

    folder: Path
    leaderboard: Leaderboard
    curves: Curves
    gaps: Gaps
    measured: int
    """Episodes that were measured now, not before."""
    unasked: Mapping[str, str]
    """Tasks whose experts were not asked, and why."""


class _Found(NamedTuple):
    episode: int
    imitation: Imitation


def measure_imitation(
    folder: Path,
    *,
    slow_experts: bool = False,
    workers: int = 1,
    tell: Telling = in_silence,
) -> ImitationSummary:
    """Measures how the agents of a run imitate, and writes what was found into its folder.

    Args:
        folder: The run's folder.
        slow_experts: Whether experts that plan, which takes long, are asked too.
        workers: How many processes measure; 1 for this one alone, which also knows tasks and
            selectors that are registered only here.
        tell: Is told how many episodes are measured, and of anything else that takes long.

    Raises:
        UsageError: There is no run, it is in use, or it is of other tasks or pools than there are.
        StoreError: The store is damaged, or the world does not do again what it did in the run.
    """
    if not (folder / FILE_NAME).exists():
        raise RunFolderError(f"{folder} holds no run: there is no {FILE_NAME} in it")
    with lock_folder(folder), closing(RunStore(folder / FILE_NAME)) as store:
        run = PastRun(store, folder, tell)
        unasked = _unasked(run, slow_experts)
        asked = run.tasks.keys() - unasked.keys()
        measured = _measure(run, store, folder, asked, workers, tell)
        summary = ImitationSummary(
            folder=folder,
            leaderboard=make_leaderboard(store),
            curves=make_curves(store),
            gaps=make_gaps(store),
            measured=measured,
            unasked=unasked,
        )
        try:
            summary.curves.write(folder / CURVES)
            summary.gaps.write(folder / GAPS)
        except OSError as error:
            raise StoreError(f"cannot write the results into {folder}: {error}") from error
    if faults := write_all(folder, tell, report=(folder / REPORT).exists()):
        raise StoreError(f"cannot write the results into {folder}: {'; '.join(faults)}")
    return summary


def _unasked(run: PastRun, slow_experts: bool) -> dict[str, str]:
    """Returns the tasks whose experts are not asked, and why."""
    found: dict[str, str] = {}
    for name, task in run.tasks.items():
        if run.experiment.teacher_forced:
            found[name] = "in a teacher-forced run its demonstrations are compared with instead"
        elif not task.has_expert:
            found[name] = "it has no expert"
        elif not slow_experts:
            with closing(task.expert()) as expert:
                if expert.plans:
                    found[name] = (
                        f"{expert.name} plans, which takes long; ask it with --slow-experts"
                    )
    return found


def _measure(
    run: PastRun,
    store: RunStore,
    folder: Path,
    asked: Collection[str],
    workers: int,
    tell: Telling,
) -> int:
    """Measures what is left to be measured; returns how many episodes that were."""
    left = [
        past.id
        for past in run.episodes.values()
        if past.measured is None or (past.cell.task in asked and not past.measured)
    ]
    total = len(run.episodes)
    done = total - len(left)
    tell(_WHAT, done, total)
    workers = min(workers, len(left))
    judging = (
        _judge_here(Judge(run, store, asked), left)
        if workers <= 1
        else in_processes(_judge, left, workers, _prepare, folder, frozenset(asked))
    )
    try:
        with closing(judging) as results:
            for found in results:
                store.set_imitation(found.episode, found.imitation)
                done += 1
                tell(_WHAT, done, total)
    except BrokenProcessPool as error:
        raise IcilError(
            "a worker process died (killed, or out of memory); what was measured is kept: the same "
            "command goes on"
        ) from error
    return len(left)


def _judge_here(judge: Judge, episodes: Iterable[int]) -> Generator[_Found, None, None]:
    with closing(judge):
        for episode in episodes:
            yield _Found(episode, judge.judge(episode))


_HERE: list[Judge] = []
"""That of this worker process."""


def _prepare(folder: Path, asked: Collection[str]) -> None:
    store = RunStore(folder / FILE_NAME, readonly=True)
    _HERE[:] = [Judge(PastRun(store, folder), store, asked)]
    atexit.register(_leave)


def _leave() -> None:
    """Lets go of emulators and the like while there is somebody to heed them."""
    _HERE.pop().close()


def _judge(episode: int) -> _Found:
    return _Found(episode, _HERE[0].judge(episode))
