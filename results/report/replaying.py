"""Playing a stored episode again, to show what the store does not hold: the states themselves.

What a model saw is in the store. Of the built-in players nothing is, and coordinates or a chess
position in letters are no board: for these the world is put back into the episode's opening and
the stored actions are played, with what the world answered where it cannot be simulated.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from icil.results.records import CellRecord, StepRecord
from icil.results.report.runs import ReportedRun
from icil.tasks import (
    IcilError,
    Observation,
    Opening,
    OpeningSource,
    Pool,
    PoolError,
    RunFolderError,
    StoreError,
    Task,
    load_pool,
    make,
)
from icil.tasks.pools import read_card, shipped_pool
from icil.tasks.relabelled import Relabelled

_BOARD = "ascii"
"""The format in which a person sees best what is going on, of those that are text."""


class View(NamedTuple):
    """A format in which the states of an episode are shown again."""

    format: str
    image: bool
    seen: bool = False
    """Whether the agent saw it so; else it is for whoever reads the report."""
    only_last: bool = False
    """Whether it is only for the state after the last step, which no agent sees."""


class Replayer:
    """Plays the episodes of a run again; holds an environment of each task.

    Args:
        run: The run.
    """

    def __init__(self, run: ReportedRun) -> None:
        self._run = run
        self._tasks: dict[str, Task[Any] | IcilError] = {}
        self._envs: dict[str, Any] = {}
        self._sources: dict[str, OpeningSource] = {}
        self._pools: dict[str, Pool] = {}

    def close(self) -> None:
        """Closes the environments."""
        for env in self._envs.values():
            env.close()
        self._envs.clear()

    def views(self, cell: CellRecord, *, stored: bool) -> tuple[View, ...]:
        """Returns the formats in which the states of a cell's episodes are shown again.

        Args:
            cell: The cell.
            stored: Whether the store holds what the agent saw.

        Raises:
            IcilError: They cannot be shown.
        """
        task = self._task(cell.task)
        images = task.image_formats
        formats = [] if stored or not cell.format else [cell.format]
        if not cell.format:
            formats = [_BOARD] if _BOARD in task.formats else [*images, *task.formats][:1]
        elif cell.format != _BOARD and cell.format not in images:
            formats += [_BOARD] if _BOARD in task.formats else images[:1]
        if not formats:
            return (View(cell.format, cell.format in images, only_last=True),)
        return tuple(View(one, one in images, one == cell.format) for one in formats)

    def slow(self, cell: CellRecord) -> bool:
        """Returns whether a cell's task says that it takes its time to draw a picture."""
        return self._task(cell.task).slow

    def observations(
        self,
        cell: CellRecord,
        opening: int,
        steps: Sequence[StepRecord],
        views: Sequence[View],
        at: Container[int] | None = None,
    ) -> Iterator[tuple[Observation | None, ...]]:
        """Yields what there is to see at each step, and after the last one if it was answered.

        Args:
            cell: The episode's cell.
            opening: The episode's opening.
            steps: Its steps.
            views: Those to show each state in.
            at: The steps that are shown, others are only played; None for all. After the last one
                counts as one more.

        Raises:
            IcilError: The episode cannot be played again, from here on.
        """
        task = self._task(cell.task)
        played = self._renamed(task, cell)
        if cell.task not in self._envs:
            self._envs[cell.task] = task.make_env()
        env = self._envs[cell.task]
        task.reset(env, self._opening(task, opening))
        nothing = (None,) * len(views)
        for number, step in enumerate(steps):
            yield (
                tuple(None if v.only_last else task.observe(env, v.format) for v in views)
                if at is None or number in at
                else nothing
            )
            if step.played is None:
                return
            parsed = played.parse(step.action, env)
            if parsed.status != "ok":
                raise StoreError(f"step {step.step}: {step.action!r} cannot be played any more")
            now = played.step(env, parsed.value, step.played.outcome).reward
            if not abs(now - step.played.reward) <= 1e-6 * max(1.0, abs(step.played.reward)):
                raise StoreError(f"step {step.step}: the world answers otherwise than in the run")
        if steps and (at is None or len(steps) in at):
            yield tuple(task.observe(env, view.format) for view in views)

    def _task(self, name: str) -> Task[Any]:
        if name not in self._tasks:
            try:
                self._tasks[name] = self._make(name)
            except IcilError as error:
                self._tasks[name] = error
        found = self._tasks[name]
        if isinstance(found, IcilError):
            raise found
        return found

    def _make(self, name: str) -> Task[Any]:
        experiment = self._run.experiment
        places = {key: key.rpartition(".") for key in experiment.get("set", {})}
        task = make(name, {p[2]: experiment["set"][k] for k, p in places.items() if p[0] == name})
        then = experiment["task"][name], experiment["settings"].get(f"task {name}", {})
        if then != (task.version, dict(task.settings)):
            raise RunFolderError(f"{name} is not set, or not of the version, as it was in the run")
        return task

    def _renamed(self, task: Task[Any], cell: CellRecord) -> Task[Any]:
        """Returns a task as a cell played it: a control may give the actions other names."""
        what = f"controls {cell.selector} of {cell.task} {cell.format}"
        controls: Mapping[str, Any] = self._run.experiment["settings"].get(what, {})
        labels = controls.get("labels")
        return Relabelled(task, labels) if labels else task

    def _opening(self, task: Task[Any], number: int) -> Opening:
        experiment = self._run.experiment
        if not experiment.get("teacher_forced"):
            if task.name not in self._sources:
                split = experiment.get("openings", {}).get("split", "evaluation")
                self._sources[task.name] = task.openings(split)
            return self._sources[task.name][number]
        if task.name not in self._pools:
            self._pools[task.name] = self._find_pool(task.name)
        return self._pools[task.name].demonstrations[number].opening

    def _find_pool(self, task: str) -> Pool:
        """Returns the pool that the run used: one that it names, or the one that ships.

        Raises:
            PoolError: It is found nowhere, or damaged.
        """
        hash = self._run.experiment["pool"].get(task)
        for folder in (*self._run.pools, shipped_pool(task)):
            try:
                same = read_card(folder).hash == hash
            except PoolError:  # it is not there any more
                continue
            if same:
                return load_pool(folder)
        raise PoolError(
            f"the pool of {task} that the run used is not found where its experiment.yaml names it"
        )


def all_that_can(
    observations: Iterator[tuple[Observation | None, ...]],
) -> tuple[list[tuple[Observation | None, ...]], str | None]:
    """Returns what there is to see as far as it can be shown, and why it ends, if it does."""
    found: list[tuple[Observation | None, ...]] = []
    try:
        for shown in observations:
            found.append(shown)
    except IcilError as error:
        return found, str(error)
    return found, None
