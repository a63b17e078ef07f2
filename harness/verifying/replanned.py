"""A run's experiment, planned once more to be verified: one task after the other, without models.

Stand-ins with the names and settings of the run's agents take their places, so that each cell
comes out with the hash that it had. What cannot be planned (a pool is not there, a library is not
installed) is told; where no pool is needed to play episodes again, they are played without one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from icil.harness.agents import Agent, Capabilities, Reply, Turn
from icil.harness.folders.experiment_file import EXPERIMENT, TEMPLATE, pools_of
from icil.harness.planning.cells import DEMO_SETS, Cell
from icil.harness.planning.experiment import Experiment, load_experiment
from icil.harness.planning.plan import Plan, make_plan
from icil.harness.planning.starts import OpeningRange, Start
from icil.harness.policies import Execution
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.results import CellRecord
from icil.results.planned import planned_episodes
from icil.results.rows import to_json
from icil.results.verifying import Fault, Findings, cell_name
from icil.results.verifying.faults import shortened
from icil.tasks import RunFolderError, UsageError

_FIELDS = ("task", "format", "agent", "selector", "demonstrations", "context_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCell:
    """A cell as it stands in the store."""

    id: int
    record: CellRecord

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return cell_name({field: getattr(self.record, field) for field in _FIELDS})


class StandIn(Agent):
    """Stands for an agent of the run; never plays."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        capabilities: Capabilities,
        execution: str | None = None,
    ) -> None:
        self._settings, self.capabilities = settings, capabilities
        self.execution = None if execution is None else Execution.read(execution)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the agent."""
        return self._settings

    async def act(self, turn: Turn) -> Reply:
        """Is not asked."""
        raise NotImplementedError


class ReplannedTask:
    """A task of a run, planned once more.

    Args:
        task: The task's name.
        meta: What describes the run, as its store has it.
        cells: The task's cells.
        folder: The run's folder.
        tell: Is told how far it is, where it takes long.

    Raises:
        UsageError: Its episodes cannot be played again; the message says why.
    """

    def __init__(
        self,
        task: str,
        meta: Mapping[str, Any],
        cells: Collection[StoredCell],
        folder: Path,
        tell: Telling = in_silence,
    ) -> None:
        self._task, self._folder, self._tell = task, folder, tell
        self._stored: Mapping[str, Any] = meta["experiment"]
        self._formats: Sequence[str] = meta["formats"][task]
        self._stored_cells = cells
        # Of a run that was widened, some cells may have more episodes than others.
        self._most = max(planned_episodes(meta, one.record.hash) for one in cells)
        self.findings = Findings()
        """What is wrong with the cells, and what of them could not be checked."""
        self._cells: dict[int, Cell] = {}
        self._starts: dict[str, Mapping[int, Start]] = {}
        self._wording = True
        """Whether the template is that of the run, on which cells with prompts depend."""
        try:
            self._find_cells()
        except UsageError as error:
            if self._stored.get("teacher_forced"):
                raise
            self._plan = self._make_plan(self._most, pools=False)
            why = f"{task}: its episodes were played again without its demonstrations ({error}); "
            self.findings.unchecked.append(f"{why}its cells' hashes were not made again")
        for one in self._stored_cells:
            if self.cell(one) is None:
                self.findings.unchecked.append(f"{one.name}: its episodes were not played again")

    @property
    def experiment(self) -> Experiment:
        """What was played."""
        return self._plan.experiment

    def cell(self, stored: StoredCell) -> Cell | None:
        """Returns a cell as it was played; None if it cannot be made again."""
        found = self._cells.get(stored.id)
        if found is not None or self._cells or "+" in stored.record.selector:
            return found
        return next((c for c in self._plan.cells if c.record.task == self._task), None)

    def hash_of(self, stored: StoredCell) -> str:
        """Returns the hash of a cell as it was played."""
        found = self._cells.get(stored.id)
        return found.record.hash if found and self._wording else stored.record.hash

    def start(self, cell: Cell, opening: int) -> Start | None:
        """Returns what an episode of a cell started from; None if the cell has no such."""
        if cell.record.hash not in self._starts:
            starts = self._plan.starts(cell)
            self._starts[cell.record.hash] = {start.number: start for start in starts}
        return self._starts[cell.record.hash].get(opening)

    def _find_cells(self) -> None:
        """Plans the task as it was played, and finds its cells by their hashes."""
        usual = self._most
        by_episodes: dict[int, list[StoredCell]] = {usual: []}
        for one in self._stored_cells:
            # Which demonstrations a set may have depends on how many episodes share the sets.
            shared = one.record.options.get(DEMO_SETS, (None, usual))
            by_episodes.setdefault(int(shared[1]), []).append(one)
        for episodes, cells in by_episodes.items():
            plan = self._make_plan(episodes, pools=True)
            if episodes == usual:
                self._plan = plan
            self._match(plan, cells)

    def _match(self, plan: Plan, cells: Iterable[StoredCell]) -> None:
        """Finds stored cells among planned ones, and tells of those that differ."""
        by_hash = {cell.record.hash: cell for cell in plan.cells}
        wording = self._wording = plan.template.hash == self._stored["template"]
        if not wording and any("template" in one.record.options for one in self._stored_cells):
            self.findings.unchecked.append(
                f"{self._task}: the wording of its prompts is not here ({TEMPLATE} is missing, or "
                "icil has another one now); the hashes of cells with prompts were not made again"
            )
        for stored in cells:
            found = by_hash.get(stored.record.hash)
            if found is not None:
                self.findings.faults += _differences(stored, found.record)
            else:
                alike = [c for c in plan.cells if _alike(c.record, stored.record)]
                found = alike[0] if len(alike) == 1 else None
                if wording or "template" not in stored.record.options:
                    self.findings.faults.append(_unknown(stored, found))
            if found is not None:
                self._cells[stored.id] = found

    def _make_plan(self, episodes: int, *, pools: bool) -> Plan:
        task, stored, folder = self._task, self._stored, self._folder
        fields = {name: value for name, value in stored.items() if name in Experiment.model_fields}
        fields |= {
            "task": [task],
            "format": list(self._formats),
            "selector": self._selectors(),
            "episodes": episodes,
            "set": {k: v for k, v in stored["set"].items() if k.rpartition(".")[0] == task},
            "template": folder / TEMPLATE if (folder / TEMPLATE).exists() else None,
            "pool": pools_of(self._task, self._stored["pool"], self._beside) if pools else [],
            "scores": self._beside.scores if pools else [],
        }
        if not pools:
            fields |= {"demos": [0], "context_tokens": [], "selector": ["random"]}
        try:
            experiment = Experiment.model_validate(fields)
        except ValidationError as error:
            wrong = ".".join(map(str, error.errors()[0]["loc"]))
            raise RunFolderError(f"{folder}: the {wrong} of its experiment is none") from error
        plan = make_plan(
            experiment,
            openings=OpeningRange(**stored.get("openings", {})),
            tell=self._tell,
            stand_ins=dict(self._stand_ins(pools)),
        )
        _compare(stored, plan.fields, task, folder)
        return plan

    def _selectors(self) -> list[str]:
        """Returns the selectors of this task: not all that were asked for make sense for each."""
        played = {one.record.selector for one in self._stored_cells}
        controls = {name for name in played if name.startswith("+")}
        named = [
            name
            for name in self._stored["selector"]
            if name in played or any(name.endswith(control) for control in controls)
        ]
        return named or ["random"]

    @cached_property
    def _beside(self) -> Experiment:
        """The experiment file: only where files are does not stand in the store."""
        path = self._folder / EXPERIMENT
        return load_experiment(path if path.exists() else None, {})

    def _stand_ins(self, pools: bool) -> Iterator[tuple[str, Agent]]:
        settings = self._stored.get("settings", {})
        for name in self._stored["agent"]:
            mine = [one.record for one in self._stored_cells if one.record.agent == name]
            options = [record.options for record in mine]
            reads = any("template" in one for one in options)
            sees = any(record.format for record in mine)
            takes = any(r.demonstrations or r.context_tokens is not None for r in mine)
            execution = next((o["execution"] for o in options if "execution" in o), None)
            yield (
                name,
                StandIn(
                    settings.get(f"agent {name}", {}),
                    Capabilities(
                        text=sees,
                        images=sees,
                        state=execution is not None,
                        chunked=execution is not None,
                        demonstrations="prompt" if reads else "trajectory" if takes else "none",
                        each_step=True,
                    ),
                    execution,
                ),
            )
        if not pools:
            yield "nearest", StandIn({}, Capabilities(text=True, images=True))


def _compare(stored: Mapping[str, Any], now: Mapping[str, Any], task: str, folder: Path) -> None:
    """Checks that what the episodes of a task depend on is as it was.

    Raises:
        RunFolderError: It is not.
    """
    for what in ("task", "pool", "settings"):
        then, here = stored.get(what, {}), now[what]
        names = {name for name in here if name in then} | ({task} if what == "task" else set())
        if what == "settings":
            names |= {f"task {task}"}
        for name in sorted(names):
            if then.get(name) != here.get(name):
                raise RunFolderError(
                    f"{folder} was played with another {what} of {name}: {then.get(name)}, and "
                    f"here it is {here.get(name)}"
                )


def _differences(stored: StoredCell, planned: CellRecord) -> Iterator[Fault]:
    """Yields the fields of a cell that are not what its hash is of."""
    for name in (*_FIELDS, "options"):
        then, right = getattr(stored.record, name), getattr(planned, name)
        if then != right:
            yield Fault(
                place="cells",
                what="this is not what the cell's hash is of",
                cell=stored.name,
                column=name,
                stored=shortened(then),
                right=shortened(right),
                value=right if name != "options" else to_json(right),
                row=stored.id,
            )


def _alike(planned: CellRecord, stored: CellRecord) -> bool:
    def known(record: CellRecord) -> tuple[Any, ...]:
        options = {k: v for k, v in record.options.items() if k != "template"}
        return (*(getattr(record, name) for name in _FIELDS), options)

    return known(planned) == known(stored)


def _unknown(stored: StoredCell, right: Cell | None) -> Fault:
    return Fault(
        place="cells",
        what="the experiment has no cell of this hash",
        cell=stored.name,
        column="hash",
        stored=stored.record.hash,
        right=right.record.hash if right else None,
        value=right.record.hash if right else None,
        row=stored.id,
    )
