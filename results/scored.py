"""What was scored in one or more runs: their cells, each with its scores by opening.

Cells are comparable where they stand on the same *ground*: the same version and settings of the
task and the same openings. A reference player is played once a task and stands beside the others
in each of its formats; one that several runs have played alike counts once.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from icil.results.frames import cells_frame, episodes_frame, latencies_frame
from icil.results.labels import label_agents
from icil.results.planned import planned_episodes
from icil.results.reader import CHANGED
from icil.results.statistics import Clusters, Floats
from icil.results.store import RunStore
from icil.tasks.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

PLAYERS = ("random", "expert")
"""The reference players."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a row comes from."""

    run: str
    """The run folder's name; its path where several have the same name."""
    experiment_hash: str
    icil: str
    """The version that made the run; empty where it is not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a cell shows, and how much."""

    selector: str
    """Empty where no demonstrations are shown."""
    demonstrations: int
    context_tokens: int | None


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoredCell:
    """A cell that was asked for, and what was played in it."""

    source: Source
    ground: Mapping[str, Any]
    """What decides which episodes are played."""
    hash: str
    task: str
    formats: tuple[str, ...]
    """Those in which it stands: its own, or all of its task's if it depends on none."""
    formatless: bool
    """Whether it depends on none: its agent looks at nothing, or at the world's own arrays."""
    constant: bool
    """Whether its agent depends on nothing that a run sweeps: neither on the format nor, in any of
    the cells, on demonstrations."""
    player: str
    """The agent's name."""
    agent: str
    """The name with the options that tell it from the agent's others."""
    shown: Shown
    pool: str | None
    """The hash of the pool that the demonstrations are from; None where none are shown."""
    options: Mapping[str, Any]
    planned: int
    """Episodes."""
    episodes: "pd.DataFrame"
    """As of `episodes_frame`."""
    sets: Mapping[int, int | None]
    """By opening the number of what was shown, None where nothing was."""
    players: Mapping[str, Mapping[int, float]]
    """The reference players' scores, by opening."""
    latency_p50_s: float | None

    @cached_property
    def scores(self) -> Mapping[int, float]:
        """The scores of the episodes that are done, by opening, in rising order."""
        return scores_by_opening(self.episodes)

    @cached_property
    def errors(self) -> int:
        """The episodes that ended in one."""
        return int((self.episodes["status"] == "error").sum())

    @cached_property
    def overlong(self) -> bool:
        """Whether a prompt does not fit; then the cell has no score."""
        return bool((self.episodes["status"] == "overlong").any())

    @property
    def finished(self) -> bool:
        """Whether all its episodes are done, or in error."""
        return len(self.scores) + self.errors >= self.planned

    @cached_property
    def cost_usd(self) -> float | None:
        """What all its episodes cost; None where the price of a step is not known."""
        unknown = self.episodes["unpriced"].any()
        return None if unknown else float(self.episodes["cost_usd"].sum())

    @property
    def demonstrations(self) -> int:
        """How many are shown; where a budget is filled, how many on average."""
        return shown_on_average(self.shown.demonstrations, self.shown.context_tokens, self.episodes)

    def values(self, openings: Sequence[int]) -> Floats:
        """Returns the scores of some openings."""
        return np.array([self.scores[opening] for opening in openings], np.float64)

    def clusters(self, openings: Sequence[int]) -> Clusters:
        """Returns how the episodes of some openings hang together."""
        return Clusters.of([self.sets.get(opening) for opening in openings])


@dataclass(frozen=True, eq=False)
class Scored:
    """All the cells of some runs that were asked for."""

    cells: tuple[ScoredCell, ...]
    runs: tuple[Source, ...]
    experiments: tuple[Mapping[str, Any], ...]
    """What was played in each run, as the store has it."""

    @cached_property
    def grounds(self) -> Mapping[str, Mapping[str, str]]:
        """By task the names of its grounds, by their JSON; a name is empty if there is one."""
        found: dict[str, dict[str, Mapping[str, Any]]] = {}
        for cell in self.cells:
            found.setdefault(cell.task, {}).setdefault(_json(cell.ground), cell.ground)
        return {task: _names(of_task) for task, of_task in found.items()}

    def ground(self, cell: ScoredCell) -> str:
        """Returns the name of a cell's ground; empty where all of its task's share it."""
        return self.grounds[cell.task][_json(cell.ground)]


def read_scored(*stores: RunStore) -> Scored:
    """Reads what was scored in some runs, finished or not.

    Raises:
        StoreError: A store is damaged, or was changed so that it is no run's any more.
    """
    names = _run_names(stores)
    found: list[ScoredCell] = []
    runs, experiments = [], []
    for store, name in zip(stores, names, strict=True):
        meta = store.meta()
        source = Source(
            run=name, experiment_hash=meta["experiment_hash"], icil=str(meta.get("icil", ""))
        )
        found.extend(_cells(store, meta, source))
        runs.append(source)
        experiments.append(meta["experiment"])
    cells = tuple(_without_copies(found)) if len(stores) > 1 else tuple(found)
    labels = label_agents(cells)
    shown = {cell.player for cell in cells if cell.shown.selector}
    labelled = (
        replace(cell, agent=label, constant=cell.formatless and cell.player not in shown)
        for cell, label in zip(cells, labels, strict=True)
    )
    return Scored(tuple(labelled), tuple(runs), tuple(experiments))


def as_scored(source: RunStore | Scored) -> Scored:
    """Returns what was scored in a run, which may be read already."""
    return source if isinstance(source, Scored) else read_scored(source)


def scores_by_opening(episodes: "pd.DataFrame") -> dict[int, float]:
    """Returns the openings of the episodes that are done, with their scores."""
    done = episodes[episodes["status"] == "done"]
    return dict(zip(done["opening"].tolist(), done["score"].tolist(), strict=True))


def budget(cell: "pd.Series[Any]") -> int | None:
    """Returns how many tokens the demonstrations of a cell fill; None where they are counted."""
    found = cell["context_tokens"]
    return None if found is None or found != found else int(found)


def count_demonstrations(cell: "pd.Series[Any]", episodes: "pd.DataFrame") -> int:
    """Returns how many are shown; where a budget is filled, how many on average."""
    return shown_on_average(int(cell["demonstrations"]), budget(cell), episodes)


def shown_on_average(number: int, budget: int | None, episodes: "pd.DataFrame") -> int:
    """Returns a number of demonstrations, or of those that fit a budget the mean, rounded."""
    if number or budget is None or not len(episodes):
        return number
    return round(float(episodes["shown"].mean()))


def _cells(store: RunStore, meta: Mapping[str, Any], source: Source) -> Iterator[ScoredCell]:
    cells, episodes = cells_frame(store), episodes_frame(store)
    latencies = latencies_frame(store).groupby("cell")["latency_s"].median().to_dict()
    by_cell = dict(iter(episodes.groupby("cell")))
    players: dict[str, dict[str, dict[int, float]]] = {}
    for _, row in cells[cells["format"] == ""].iterrows():
        if row["agent"] in PLAYERS:
            played = by_cell.get(int(row["cell"]), episodes[:0])
            of_task = players.setdefault(str(row["task"]), {})
            of_task[str(row["agent"])] = scores_by_opening(played)
    for _, row in cells[cells["asked"] == 1].iterrows():
        number, task, format = int(row["cell"]), str(row["task"]), str(row["format"])
        played = by_cell.get(number, episodes[:0])
        planned = planned_episodes(meta, str(row["cell_hash"]))
        if task not in meta["formats"]:
            raise StoreError(f"{store.path}: the run has no task {task}; {CHANGED}")
        yield ScoredCell(
            source=source,
            ground=_ground(meta["experiment"], task, planned),
            hash=str(row["cell_hash"]),
            task=task,
            formats=(format,) if format else tuple(meta["formats"][task]),
            formatless=not format,
            constant=not format,
            player=str(row["agent"]),
            agent=str(row["agent"]),
            shown=Shown(
                selector=str(row["selector"]),
                demonstrations=int(row["demonstrations"]),
                context_tokens=budget(row),
            ),
            pool=_pool(meta["experiment"], row),
            options=_options(store, row["options"]),
            planned=planned,
            episodes=played,
            sets=_sets(played),
            players=players.get(task, {}),
            latency_p50_s=latencies.get(number),
        )


def _options(store: RunStore, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise StoreError(f"{store.path}: the options of a cell are not JSON; {CHANGED}")
    return found


def _pool(experiment: Mapping[str, Any], cell: "pd.Series[Any]") -> str | None:
    if not (cell["demonstrations"] or budget(cell)):
        return None
    found: str | None = experiment.get("pool", {}).get(cell["task"])
    return found


def _sets(episodes: "pd.DataFrame") -> dict[int, int | None]:
    shown = zip(episodes["opening"].tolist(), episodes["shown_set"].tolist(), strict=True)
    known = zip(episodes["shown_set"].notna().tolist(), shown, strict=True)
    return {opening: int(found) if is_known else None for is_known, (opening, found) in known}


def _ground(experiment: Mapping[str, Any], task: str, episodes: int) -> dict[str, Any]:
    """Returns what decides which episodes of a task a run plays, and how the task is played."""
    tasks = experiment.get("task", {})
    found: dict[str, Any] = {
        "version": tasks.get(task) if isinstance(tasks, Mapping) else None,
        "episodes": episodes,
        **experiment.get("settings", {}).get(f"task {task}", {}),
    }
    if "openings" in experiment:
        found["openings"] = experiment["openings"]
    if experiment.get("teacher_forced"):
        pool = experiment.get("pool", {})
        found["teacher-forced"] = {"seed": experiment.get("seed"), "pool": pool.get(task)}
    return found


def _names(grounds: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Returns names of grounds that say in what they differ."""
    keys = sorted({key for ground in grounds.values() for key in ground})
    differ = [
        key for key in keys if len({_json(ground.get(key)) for ground in grounds.values()}) > 1
    ]
    return {
        text: "; ".join(f"{key} {_plain(ground.get(key))}" for key in differ)
        for text, ground in grounds.items()
    }


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {str(one)[:12]}" for key, one in sorted(value.items()))
    return "as usual" if value is None else str(value)


def _without_copies(cells: Iterable[ScoredCell]) -> Iterator[ScoredCell]:
    """Yields the cells, those that cost nothing and were played alike in several runs once."""
    seen: dict[tuple[str, str], list[Mapping[int, float]]] = {}
    for cell in cells:
        key = (cell.hash, _json(cell.ground))
        free = not cell.episodes["input_tokens"].any()
        if free and cell.scores in seen.get(key, []):
            continue
        seen.setdefault(key, []).append(cell.scores)
        yield cell


def _run_names(stores: Sequence[RunStore]) -> list[str]:
    folders = [store.path.parent for store in stores]
    names = [folder.resolve().name for folder in folders]
    return [
        name if names.count(name) == 1 else str(folder)
        for folder, name in zip(folders, names, strict=True)
    ]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
