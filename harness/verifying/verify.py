"""Verifying a run folder: does everything in it follow from what was said in the run?

No model is asked and nothing is sent. Episodes are played again from the store, each in one of
some worker processes; parts, prompts and cells are hashed again, tables made again; what cannot
be made again (replies, tokens, prices, latencies) is covered by seals. The folder is only read.
"""

import atexit
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from icil.harness.planning.plan import experiment_hash
from icil.harness.verifying.experts import Experts
from icil.harness.verifying.replanned import ReplannedTask, StoredCell
from icil.harness.verifying.replaying import Replay, Replayer, StoredEpisode, StoredStep
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.results import CellRecord, RunStore, open_run
from icil.results.planned import planned_episodes
from icil.results.verifying import (
    EpisodeSeal,
    Fault,
    Findings,
    cell_name,
    check_contents,
    check_episode_seal,
    check_files,
    check_kept,
    check_structure,
    check_table_seals,
    distinct,
    mended,
)
from icil.tasks import IcilError, UsageError
from icil.tasks.processes import in_processes

_WHAT = "episodes played again"
_TOGETHER = 32
"""Episodes that a worker process is handed at once."""

_CELLS = """
SELECT id, hash, task, format, agent, selector, demonstrations, context_tokens, options, asked
FROM cells ORDER BY id
"""
_EPISODES = """
SELECT e.id, c.task FROM episodes e JOIN cells c ON c.id = e.cell
ORDER BY c.task, c.format, c.id, e.opening
"""
_EPISODE = "SELECT id, cell, opening, status, score, attempt FROM episodes WHERE id = ?"
_STEPS = """
SELECT step, reply, status, otherwise, reason, action, agrees, reward, outcome, success
FROM steps WHERE episode = ? AND attempt = ? ORDER BY step
"""
_PLACES = """
SELECT e.id, e.opening, e.attempt, c.task, c.format, c.agent, c.selector, c.demonstrations,
       c.context_tokens
FROM episodes e JOIN cells c ON c.id = e.cell
"""
_STATES = "SELECT status, COUNT(*) FROM episodes GROUP BY status"
_ENDED = """
SELECT c.hash, COUNT(e.id), TOTAL(e.status = 'overlong')
FROM cells c LEFT JOIN episodes e ON e.cell = c.id AND e.status IN ('done', 'overlong')
GROUP BY c.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verifying a run has found."""

    folder: Path
    faults: tuple[Fault, ...]
    unchecked: tuple[str, ...]
    """What could not be checked, and why."""
    episodes: Mapping[str, int]
    """How many there are of each status."""
    replayed: int
    """Episodes that were played again."""
    steps: int
    """Steps of these."""
    finished: bool
    """Whether all of the run's episodes have ended, none in error."""

    @property
    def true(self) -> bool:
        """Whether nothing was found to be wrong."""
        return not self.faults


class _Checked(NamedTuple):
    """What was found of an episode."""

    episode: int
    seal: EpisodeSeal
    replay: Replay
    asked: tuple[Fault, ...]
    """What the expert says otherwise now."""
    steps: int | None
    """Those that were played again; None if the episode could not be."""


def verify(
    folder: Path, *, experts: bool = False, workers: int = 1, tell: Telling = in_silence
) -> Verification:
    """Verifies a run, finished or not, or while it is played.

    Args:
        folder: The run's folder.
        experts: Whether the tasks' experts are asked again, where the run has how its agents
            imitate; may take long.
        workers: How many processes play; 1 for this one alone, which also knows tasks and
            selectors that are registered only here.
        tell: Is told how many episodes were played, and of anything else that takes long.

    Raises:
        UsageError: There is no run.
        StoreError: The store is damaged, so that it cannot be read.
    """
    with closing(open_run(folder)) as store, store.snapshot():
        found, checked = Findings(), list[_Checked]()
        states: dict[str, int] = dict(store.rows(_STATES)[1])
        broken = list(check_structure(store))
        found.faults += [*broken, *check_kept(store), *check_table_seals(store)]
        finished = False
        if broken:
            found.faults.extend(_seals_alone(store))
            found.unchecked.append("all but the seals: the store has not the form that it should")
        else:
            meta = store.meta()
            found.faults.extend(_check_experiment(meta))
            contents = list(check_contents(store))
            checked = list(_check_episodes(store, folder, found, experts, workers, tell))
            found.faults.extend(_merged(checked, contents))
        faults = distinct(_named(store, found.faults))
        if not broken:
            finished = _is_finished(store, meta)
            tables = _check_files(store, folder, faults, finished)
            found.unchecked += tables.unchecked
            faults += tuple(tables.faults)
        return Verification(
            folder=folder,
            faults=faults,
            unchecked=tuple(found.unchecked),
            episodes=states,
            replayed=sum(one.steps is not None for one in checked),
            steps=sum(one.steps or 0 for one in checked),
            finished=finished,
        )


def _check_files(
    store: RunStore, folder: Path, faults: Sequence[Fault], finished: bool
) -> Findings:
    """Compares the folder's tables with the store, or with what it should be."""
    if not faults:
        return check_files(store, folder, finished=finished)
    doubtful = any(fault.right is None for fault in faults)
    with mended(store, faults) as right:
        return check_files(right, folder, finished=finished, doubtful=doubtful)


def _named(store: RunStore, faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yields faults, those of episodes with the names of their cells and their openings."""
    columns, rows = store.rows(_PLACES)
    places = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    for fault in faults:
        place = None if fault.cell else places.get(fault.episode)
        if place is None:
            yield fault
        else:
            attempt = None if fault.attempt == place["attempt"] else fault.attempt
            opening = place["opening"]
            yield replace(fault, cell=cell_name(place), opening=opening, attempt=attempt)


def _merged(checked: Iterable[_Checked], contents: Sequence[Fault]) -> Iterator[Fault]:
    """Yields the faults of parts and episodes; what only follows from another is left out."""
    by_episode: dict[int | None, list[Fault]] = {}
    for fault in contents:
        by_episode.setdefault(fault.episode, []).append(fault)
    yield from by_episode.get(None, ())
    for one in checked:
        found = [*by_episode.get(one.episode, ()), *one.replay.faults]
        changed = list(one.seal.faults)
        if not one.seal.certain:
            right = one.replay.right
            changed = [f for f in changed if (f.step, f.column) not in right] or changed
        if changed:
            places = {_place(fault) for fault in changed}
            found = [fault for fault in found if _place(fault) in places]
        yield from (*found, *changed, *one.asked)


def _place(fault: Fault) -> tuple[object, ...]:
    """Returns which field of an episode a fault is of."""
    return (fault.place, fault.attempt, fault.step, fault.column)


def _check_experiment(meta: Mapping[str, Any]) -> Iterator[Fault]:
    right = experiment_hash(meta["experiment"])
    if meta["experiment_hash"] != right:
        yield Fault(
            place="meta",
            what="this is not the hash of the experiment",
            column="experiment_hash",
            stored=str(meta["experiment_hash"]),
            right=right,
        )


def _is_finished(store: RunStore, meta: Mapping[str, Any]) -> bool:
    """Returns whether all the episodes of a run are done, or given up."""
    return all(
        overlong or count >= planned_episodes(meta, hash)
        for hash, count, overlong in store.rows(_ENDED)[1]
    )


def _seals_alone(store: RunStore) -> Iterator[Fault]:
    for (id,) in store.rows("SELECT id FROM episodes ORDER BY id")[1]:
        yield from check_episode_seal(store, id, 0).faults


def _check_episodes(
    store: RunStore, folder: Path, found: Findings, experts: bool, workers: int, tell: Telling
) -> Iterator[_Checked]:
    """Yields what is found of each episode; tells what cannot be checked."""
    by_task: dict[str, list[int]] = {}
    for id, task in store.rows(_EPISODES)[1]:
        by_task.setdefault(task, []).append(id)
    checker = Checker(store, folder, experts=experts, tell=tell)
    for task in by_task:
        checker.prepare(task)
    batches = [
        of_task[first : first + _TOGETHER]
        for of_task in by_task.values()
        for first in range(0, len(of_task), _TOGETHER)
    ]
    total, done = sum(map(len, by_task.values())), 0
    workers = min(workers, len(batches))
    checking = (
        (checker.check(batch) for batch in batches)
        if workers <= 1
        else in_processes(_check, batches, workers, _prepare, folder, experts)
    )
    try:
        with closing(checker), closing(checking) as results:
            for batch in results:
                yield from batch
                done += len(batch)
                tell(_WHAT, done, total)
    except BrokenProcessPool as error:
        raise IcilError("a worker process died (killed, or out of memory)") from error
    found.add(checker.findings)


class Checker:
    """Checks episodes, one after the other.

    Args:
        store: The store, of which `check_structure` found nothing wrong.
        folder: The run's folder.
        experts: Whether the experts are asked.
        tell: Is told how far it is, where it takes long before it begins.
    """

    def __init__(
        self, store: RunStore, folder: Path, *, experts: bool, tell: Telling = in_silence
    ) -> None:
        self._store, self._folder, self._tell = store, folder, tell
        self._meta = store.meta()
        self._cells = {cell.id: cell for cell in _read_cells(store)}
        self._tasks: dict[str, ReplannedTask | None] = {}
        self._envs: dict[str, Any] = {}
        self.findings = Findings()
        """Of tasks and cells."""
        self._experts = Experts(store, folder, self.findings) if experts else None

    def close(self) -> None:
        """Closes the environments and the experts."""
        while self._envs:
            self._envs.popitem()[1].close()
        if self._experts is not None:
            self._experts.close()

    def prepare(self, name: str) -> ReplannedTask | None:
        """Plans a task once more; None if that cannot be, which is told then."""
        if name not in self._tasks:
            self._tasks[name] = None
            cells = [cell for cell in self._cells.values() if cell.record.task == name]
            try:
                task = ReplannedTask(name, self._meta, cells, self._folder, self._tell)
            except UsageError as error:
                self.findings.unchecked.append(f"{name}: no episode was played again: {error}")
            else:
                self.findings.add(task.findings)
                self._tasks[name] = task
        return self._tasks[name]

    def check(self, episodes: Iterable[int]) -> list[_Checked]:
        """Checks some episodes: their seals, and all that playing them again tells."""
        return [self._check(episode) for episode in episodes]

    def _check(self, id: int) -> _Checked:
        columns, (row,) = self._store.rows(_EPISODE, (id,))
        fields = dict(zip(columns, row, strict=True))
        cell = self._cells[fields["cell"]]
        steps = self._store.rows(_STEPS, (id, fields["attempt"]))[1]
        seal = check_episode_seal(self._store, id, fields["attempt"])
        replay = self._replay(cell, fields, steps)
        asked = () if self._experts is None else tuple(self._experts.check(id))
        count = None if replay is None else len(steps)
        return _Checked(id, seal, replay or Replay(), asked, count)

    def _replay(
        self, stored: StoredCell, fields: Mapping[str, Any], steps: Sequence[tuple[Any, ...]]
    ) -> Replay | None:
        """Plays an episode again; None if that cannot be."""
        task = self.prepare(stored.record.task)
        cell = task.cell(stored) if task is not None else None
        if task is None or cell is None:
            return None
        start = task.start(cell, fields["opening"])
        if start is None:
            what = "the run plays no such opening"
            fault = Fault(
                place="episodes",
                what=what,
                episode=fields["id"],
                column="opening",
                stored=str(fields["opening"]),
            )
            return Replay([fault])
        played = cell.task.task
        if played.name not in self._envs:
            self._envs[played.name] = played.make_env()
        env, experiment = self._envs[played.name], task.experiment
        replayer = Replayer(played, start, experiment.seed, experiment.parse, env)
        return replayer.replay(
            StoredEpisode(
                id=fields["id"],
                cell=stored.name,
                hash=task.hash_of(stored),
                opening=fields["opening"],
                status=fields["status"],
                score=fields["score"],
                reasoning=bool(stored.record.options.get("reasoning")),
                execution=stored.record.options.get("execution"),
                steps=[StoredStep(*row) for row in steps],
            )
        )


def _read_cells(store: RunStore) -> Iterator[StoredCell]:
    columns, rows = store.rows(_CELLS)
    for row in rows:
        fields = dict(zip(columns, row, strict=True))
        id, options = fields.pop("id"), json.loads(fields.pop("options"))
        asked = bool(fields.pop("asked"))
        yield StoredCell(id=id, record=CellRecord(**fields, options=options, asked=asked))


_HERE: list[Checker] = []
"""That of this worker process."""


def _prepare(folder: Path, experts: bool) -> None:
    _HERE[:] = [Checker(open_run(folder), folder, experts=experts)]
    atexit.register(_leave)


def _leave() -> None:
    """Lets go of emulators and the like while there is somebody to heed them."""
    _HERE.pop().close()


def _check(episodes: list[int]) -> list[_Checked]:
    return _HERE[0].check(episodes)
