"""A run that was played, looked at again: its episodes, and what they started from and showed.

Its experiment is planned once more, a task at a time and with `nearest` in place of its agents: no
model need be there, nor its key. Where tasks, pools or settings are not those of the run, it is
refused.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from icil.harness.folders.experiment_file import EXPERIMENT, experiment_of, pools_of
from icil.harness.planning.cells import DEMO_SETS, Cell
from icil.harness.planning.experiment import Experiment, load_experiment
from icil.harness.planning.plan import REFERENCES, Plan, make_plan
from icil.harness.planning.selecting import Moment, choose
from icil.harness.planning.starts import OpeningRange, Start
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.results import CellRecord, RunStore
from icil.results.planned import planned_episodes
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
        self._folder, meta = folder, store.meta()
        stored = meta["experiment"]
        self.experiment = experiment_of(stored)
        """What was played."""
        self.episodes: Mapping[int, PastEpisode] = {e.id: e for e in _episodes(store)}
        """By their numbers in the store; those that are done, of cells that were asked for."""
        self._plans: dict[_Part, Plan] = {}
        self._cells: dict[tuple[Any, ...], Cell] = {}
        self._starts: dict[tuple[_Part, str], Mapping[int, Start]] = {}
        path = folder / EXPERIMENT
        beside = load_experiment(path, {}) if path.exists() else Experiment()
        openings = OpeningRange(**stored.get("openings", {}))
        cells = {past.cell.hash: past.cell for past in self.episodes.values()}
        for part, of_part in _parts(cells.values()).items():
            experiment = _experiment(meta, part, of_part, beside)
            plan = self._plans[part] = make_plan(experiment, openings=openings, tell=tell)
            self._compare(stored, part, of_part)
            self._cells |= {(part, *_key(cell.record)): cell for cell in plan.cells}

    @property
    def tasks(self) -> Mapping[str, Task[Any]]:
        """The tasks of its episodes, by name."""
        plans = sorted(self._plans.items(), key=lambda item: item[0].task)
        return {part.task: plan.tasks[part.task].task for part, plan in plans}

    def played(self, past: PastEpisode) -> Task[Any]:
        """Returns the task as an episode played it: some controls give actions other names."""
        task, cell = self._cell(past).task.task, past.cell
        # Reference players and policies play the task itself, whatever language others speak.
        itself = not cell.format and (cell.agent in REFERENCES or bool(cell.options))
        return task.plain if itself else task

    def opening(self, past: PastEpisode) -> Opening:
        """Returns what an episode started from."""
        return self._start(past).opening

    def shown(
        self, past: PastEpisode, ids: tuple[str, ...], moment: Moment | None = None
    ) -> tuple[Demonstration, ...]:
        """Returns the demonstrations that an episode, or a step of it, showed; may take long.

        Args:
            past: The episode.
            ids: Theirs, in the order shown.
            moment: The step, where each had its own.

        Raises:
            RunFolderError: They are others now.
        """
        cell = self._cell(past)
        if not ids:
            return ()
        assert cell.task.pool is not None
        known = cell.task.pool.by_id
        if known.keys() >= set(ids):
            return tuple(known[id] for id in ids)
        # A control changed or made them: it does so once more.
        again = replace(cell.record, demonstrations=len(ids), context_tokens=None)
        seed = self.experiment.seed
        once_more = replace(cell, record=again)
        chosen = choose(once_more, self._start(past), seed, moment=moment).selection
        if chosen.ids != ids:
            step = "" if moment is None else f", step {moment.step},"
            raise RunFolderError(
                f"{self._folder}: {past.cell.selector} shows other demonstrations of "
                f"{past.cell.task} for opening {past.opening}{step} now than it did then"
            )
        return chosen.demonstrations

    def _cell(self, past: PastEpisode) -> Cell:
        """Returns the cell with the same demonstrations as an episode's; any where it has none."""
        part = _part(past.cell)
        found = self._cells.get((part, *_key(past.cell)))
        return found or next(c for c in self._plans[part].cells if not c.alterations)

    def _start(self, past: PastEpisode) -> Start:
        part, cell = _part(past.cell), self._cell(past)
        key = (part, cell.record.hash)
        if key not in self._starts:
            starts = self._plans[part].starts(cell)
            self._starts[key] = {start.number: start for start in starts}
        return self._starts[key][past.opening]

    def _compare(
        self, stored: Mapping[str, Any], part: "_Part", cells: Sequence[CellRecord]
    ) -> None:
        """Checks that all that the episodes of a part depend on is as it was."""
        plan = self._plans[part]
        now = plan.fields
        for what in ("task", "pool", "settings"):
            known = stored[what].keys() & now[what].keys()
            if what == "settings":
                known |= {f"task {part.task}"}
            for name in sorted(known):
                then, here = stored[what].get(name), now[what].get(name)
                if then != here:
                    raise RunFolderError(
                        f"{self._folder} was played with another {what} of {name}: {then}, and "
                        f"here it is {here}"
                    )
        planned = {_key(cell.record) for cell in plan.cells}
        for cell in cells:
            if cell.format and _shows(cell) and _key(cell) not in planned:
                raise RunFolderError(
                    f"{self._folder}: {cell.task} {cell.format} with {cell.demonstrations} "
                    f"demonstrations {cell.selector} can no longer be played"
                )


class _Part(NamedTuple):
    """A part of a run that is planned by itself: not all parts need make sense as one sweep."""

    task: str
    sets: tuple[int, int] | None
    """The sets of demonstrations that so many episodes share; None where they share none."""


def _part(cell: CellRecord) -> _Part:
    sets = cell.options.get(DEMO_SETS)
    return _Part(cell.task, None if sets is None else (sets[0], sets[1]))


def _parts(cells: Iterable[CellRecord]) -> dict[_Part, list[CellRecord]]:
    found: dict[_Part, list[CellRecord]] = {}
    for cell in cells:
        found.setdefault(_part(cell), []).append(cell)
    return found


def _shows(cell: CellRecord) -> bool:
    return bool(cell.demonstrations or cell.context_tokens)


def _key(record: CellRecord) -> tuple[Any, ...]:
    """Returns what cells with the same demonstrations share, whoever their agent is."""
    size = record.context_tokens or 0, record.demonstrations
    return record.task, record.format, record.selector, *size


def _experiment(
    meta: Mapping[str, Any], part: _Part, cells: Sequence[CellRecord], beside: Experiment
) -> Experiment:
    """Returns what was played in a part; only where files are does not stand in the store."""
    stored, task = meta["experiment"], part.task
    forced = stored["teacher_forced"]
    shown = [cell for cell in cells if _shows(cell)]
    formats = {cell.format for cell in cells if cell.format}
    # Where there is nothing to choose, the selector's name is that of its controls alone.
    selectors = {c.selector if c.selector[:1] != "+" else f"random{c.selector}" for c in shown}
    fields = {name: value for name, value in stored.items() if name in Experiment.model_fields}
    fields |= {
        "task": [task],
        "format": sorted(formats) or meta["formats"][task][:1],
        "agent": [_STAND_IN],
        "selector": sorted(selectors - {""}) or ["random"],
        "demos": sorted({c.demonstrations for c in (shown if forced else cells)}) or [int(forced)],
        "context_tokens": sorted({c.context_tokens for c in cells if c.context_tokens}),
        "episodes": part.sets[1] if part.sets else _most(meta, cells),
        "demo_sets": part.sets and part.sets[0],
        "set": {k: v for k, v in stored["set"].items() if k.rpartition(".")[0] == task},
        "template": None,  # no prompt is made
        "pool": pools_of(task, stored["pool"], beside) if shown or forced else [],
        "scores": beside.scores,
    }
    return Experiment.model_validate(fields)


def _most(meta: Mapping[str, Any], cells: Iterable[CellRecord]) -> int:
    return max(planned_episodes(meta, cell.hash) for cell in cells)


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
