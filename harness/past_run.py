"""A run that was played, looked at again: its episodes, and what they started from and showed.

Its experiment is planned once more, with `nearest` in place of its agents: no model need be there,
nor its key. Where tasks, pools or settings are not those of the run, it is refused.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from icil.harness.cells import Cell
from icil.harness.experiment import Experiment, load_experiment
from icil.harness.folder import EXPERIMENT
from icil.harness.plan import make_plan
from icil.harness.selecting import choose
from icil.harness.starts import OpeningRange, Start
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.results import CellRecord, RunStore
from icil.tasks import Demonstration, Opening, RunFolderError, Task

_STAND_IN = "nearest"
"""It is given whatever demonstrations the run's agents were."""

_EPISODES = """
SELECT e.id, e.opening, e.demonstrations, i.expert,
       c.hash, c.task, c.format, c.agent, c.selector, c.demonstrations, c.context_tokens, c.options
FROM episodes e JOIN cells c ON c.id = e.cell LEFT JOIN imitation i ON i.episode = e.id
WHERE e.status = 'done' AND c.asked
ORDER BY c.task, c.format, c.id, e.opening
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEpisode:
    """An episode that is done."""

    id: int
    cell: CellRecord
    opening: int
    """The opening's index; in a teacher-forced run, the demonstration's place in the pool."""
    demonstrations: tuple[str, ...]
    """The ids of those shown, in the order shown."""
    measured: bool | None
    """How it imitates was measured with the expert's help, or without; None if not at all."""


class PastRun:
    """A run, finished or not.

    Args:
        store: Its store.
        folder: Its folder.
        tell: Is told how far it is, where it takes long.

    Raises:
        UsageError: It can no longer be planned, or comes out otherwise than it was.
    """

    def __init__(self, store: RunStore, folder: Path, tell: Telling = in_silence) -> None:
        self._folder, stored = folder, store.meta()["experiment"]
        self.episodes: Mapping[int, PastEpisode] = {e.id: e for e in _episodes(store)}
        """By their numbers in the store; those that are done, of cells that were asked for."""
        experiment = _experiment(stored, folder, [e.cell for e in self.episodes.values()])
        played = OpeningRange(**stored.get("openings", {}))
        self._plan = make_plan(experiment, openings=played, tell=tell)
        self._compare(stored)
        self._cells = {_key(cell.record): cell for cell in self._plan.cells}
        self._starts: dict[str, Mapping[int, Start]] = {}

    @property
    def experiment(self) -> Experiment:
        """What was played, but for its agents."""
        return self._plan.experiment

    @property
    def tasks(self) -> Mapping[str, Task[Any]]:
        """The tasks of its episodes, by name."""
        names = sorted({past.cell.task for past in self.episodes.values()})
        return {name: self._plan.tasks[name].task for name in names}

    def played(self, past: PastEpisode) -> Task[Any]:
        """Returns the task as an episode played it: some controls give actions other names."""
        return self._cell(past).task.task

    def opening(self, past: PastEpisode) -> Opening:
        """Returns what an episode started from."""
        return self._start(past).opening

    def shown(self, past: PastEpisode) -> tuple[Demonstration, ...]:
        """Returns the demonstrations that an episode showed, in their order; may take long.

        Raises:
            RunFolderError: They are others now.
        """
        cell, ids = self._cell(past), past.demonstrations
        if not ids:
            return ()
        assert cell.task.pool is not None
        known = cell.task.pool.by_id
        if known.keys() >= set(ids):
            return tuple(known[id] for id in ids)
        # A control changed or made them: it does so once more.
        again = replace(cell.record, demonstrations=len(ids), context_tokens=None)
        seed = self.experiment.seed
        chosen = choose(replace(cell, record=again), self._start(past), seed).selection
        if chosen.ids != ids:
            raise RunFolderError(
                f"{self._folder}: {past.cell.selector} shows other demonstrations of "
                f"{past.cell.task} for opening {past.opening} now than it did then"
            )
        return chosen.demonstrations

    def _cell(self, past: PastEpisode) -> Cell:
        """Returns the cell with the same demonstrations as an episode's; any for a blind agent."""
        record = past.cell
        if not record.format:
            return next(c for c in self._plan.cells if c.record.task == record.task)
        return self._cells[_key(record)]

    def _start(self, past: PastEpisode) -> Start:
        cell = self._cell(past)
        if cell.record.hash not in self._starts:
            starts = self._plan.starts(cell)
            self._starts[cell.record.hash] = {start.number: start for start in starts}
        return self._starts[cell.record.hash][past.opening]

    def _compare(self, stored: Mapping[str, Any]) -> None:
        """Checks that all that the episodes depend on is as it was."""
        now = self._plan.fields
        for what in ("task", "pool", "settings"):
            known = stored[what].keys() & now[what].keys()
            if what == "settings":
                known |= {f"task {name}" for name in stored["task"]}
            for name in sorted(known):
                then, here = stored[what].get(name), now[what].get(name)
                if then != here:
                    raise RunFolderError(
                        f"{self._folder} was played with another {what} of {name}: {then}, and "
                        f"here it is {here}"
                    )
        planned = {_key(cell.record) for cell in self._plan.cells}
        for cell in (past.cell for past in self.episodes.values()):
            if cell.format and _key(cell) not in planned:
                raise RunFolderError(
                    f"{self._folder}: {cell.task} {cell.format} with {cell.demonstrations} "
                    f"demonstrations {cell.selector} can no longer be played"
                )


def _key(record: CellRecord) -> tuple[Any, ...]:
    """Returns what cells with the same demonstrations share, whoever their agent is."""
    size = record.context_tokens or 0, record.demonstrations
    return record.task, record.format, record.selector, *size


def _experiment(stored: Mapping[str, Any], folder: Path, cells: Iterable[CellRecord]) -> Experiment:
    """Returns what was played; only where the pools are stands not in the store but beside it."""
    path = folder / EXPERIMENT
    tasks = list(stored["task"])
    fields = {name: value for name, value in stored.items() if name in Experiment.model_fields}
    fields |= {
        "task": tasks,
        "agent": [_STAND_IN],
        "set": {k: v for k, v in stored["set"].items() if k.rpartition(".")[0] in tasks},
        "template": None,  # no prompt is made
        "pool": load_experiment(path, {}).pool if path.exists() else (),
    }
    shown = any(cell.demonstrations or cell.context_tokens for cell in cells)
    if not shown and not stored["teacher_forced"]:  # no pool is needed
        fields |= {"demos": [0], "context_tokens": []}
    return Experiment.model_validate(fields)


def _episodes(store: RunStore) -> Iterator[PastEpisode]:
    for id, opening, shown, expert, *cell, options in store.rows(_EPISODES)[1]:
        names = ("hash", "task", "format", "agent", "selector", "demonstrations", "context_tokens")
        record = CellRecord(**dict(zip(names, cell, strict=True)), options=json.loads(options))
        yield PastEpisode(
            id=id,
            cell=record,
            opening=opening,
            demonstrations=tuple(json.loads(shown)),
            measured=None if expert is None else bool(expert),
        )
