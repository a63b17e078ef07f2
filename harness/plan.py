"""The plan of a run: the experiment with every name resolved and checked.

Whatever can be wrong with an experiment is found here, before anything is created or sent.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from icil.harness import agents as agent_registry
from icil.harness.agents import Agent
from icil.harness.experiment import Experiment
from icil.prompt_builders import PromptOptions, Selector, Template, load_template, selectors
from icil.prompt_builders.template import DEFAULT
from icil.results import CellRecord
from icil.tasks import (
    ContractError,
    Demonstration,
    ExperimentError,
    Opening,
    Pool,
    PoolError,
    Task,
    UnknownNameError,
    load_pool_for,
    make,
    members,
)
from icil.tasks.demonstrations import state_digest
from icil.tasks.openings import take
from icil.tasks.pools import read_card
from icil.tasks.seeding import digest, generator

REFERENCES = ("random", "expert")
"""The players whose scores the others are held against."""


@dataclass(frozen=True, eq=False)
class TaskPlan:
    """A task of an experiment."""

    task: Task[Any]
    formats: tuple[str, ...]
    pool: Pool | None
    """None where no cell shows demonstrations."""

    def showing(self, env: Any) -> frozenset[str]:
        """Returns the ids of the demonstrations that pass through the env's present state."""
        if self.pool is None:
            return frozenset()
        return self.pool.passing.get(state_digest(self.task, env), frozenset())


@dataclass(frozen=True, eq=False)
class Cell:
    """One point of a sweep, ready to be played."""

    record: CellRecord
    task: TaskPlan
    agent: Agent
    selector: Selector | None
    """None where the agent is shown no demonstrations."""
    options: PromptOptions


class Start(NamedTuple):
    """What one episode starts from."""

    number: int
    """The opening's index; in a teacher-forced run, the demonstration's place in the pool."""
    opening: Opening
    forced: Demonstration | None
    """The demonstration that is played again, in a teacher-forced run."""


@dataclass(frozen=True, eq=False)
class Plan:
    """An experiment, resolved."""

    experiment: Experiment
    """With the names of all tasks and formats in place of `all`."""
    template: Template
    tasks: Mapping[str, TaskPlan]
    cells: tuple[Cell, ...]
    """The reference players' first."""
    skipped: tuple[str, ...]
    """What was asked for and cannot be played, such as images for an agent that sees none."""

    @property
    def fields(self) -> dict[str, Any]:
        """What decides the run, as JSON: the experiment with contents in place of paths."""
        found = self.experiment.model_dump(mode="json")
        for name in ("format", "agent", "selector", "demos"):
            found[name] = sorted(found[name])  # in another order it is the same experiment
        found["template"] = self.template.hash
        found["pool"] = {name: t.pool.hash for name, t in self.tasks.items() if t.pool}
        found["task"] = {name: t.task.version for name, t in self.tasks.items()}
        parts = [
            part
            for cell in self.cells
            for part in (
                (cell.record.task, cell.task.task.settings),
                (cell.record.agent, cell.agent.settings),
                (cell.record.selector, cell.selector.settings if cell.selector else {}),
            )
        ]
        found["settings"] = {name: dict(settings) for name, settings in parts if settings}
        return found

    @property
    def hash(self) -> str:
        """The experiment's hash, 16 hexadecimal digits."""
        return digest(json.dumps(self.fields, sort_keys=True), size=8).hex()

    @property
    def meta(self) -> dict[str, Any]:
        """What the store keeps about the run as a whole."""
        return {
            "experiment": self.fields,
            "experiment_hash": self.hash,
            "formats": {name: list(t.formats) for name, t in self.tasks.items()},
            "icil": version("icil"),
        }

    @property
    def episodes(self) -> int:
        """How many episodes the whole run has."""
        return len(self.cells) * self.experiment.episodes

    def starts(self, cell: Cell) -> Iterator[Start]:
        """Yields what a cell's episodes start from, in their order.

        The first evaluation openings; in a teacher-forced run, demonstrations drawn from the
        pool.
        """
        count = self.experiment.episodes
        if not self.experiment.teacher_forced:
            for opening in take(cell.task.task.openings("evaluation"), count):
                yield Start(opening.index, opening, None)
            return
        assert cell.task.pool is not None
        task, shown = cell.task.task, cell.task.pool.demonstrations
        rng = generator("teacher-forced", self.experiment.seed, task.name, task.version)
        for index in map(int, rng.permutation(len(shown))[:count]):
            yield Start(index, shown[index].opening, shown[index])


def make_plan(experiment: Experiment, own_agents: Mapping[str, Agent] | None = None) -> Plan:
    """Resolves and checks an experiment.

    Args:
        experiment: What to play.
        own_agents: Agents by name, beside the registered ones.

    Raises:
        UsageError: It cannot be played; the message says what would be right.
    """
    own = own_agents or {}
    if taken := set(own) & set(agent_registry.names()):
        raise ContractError(f"there is an agent named {min(taken)!r} already")
    template = load_template(experiment.template or DEFAULT)
    agents = {name: own[name] if name in own else _agent(name, own) for name in experiment.agent}
    chosen = {name: selectors.make(name) for name in experiment.selector}
    shows = any(a.capabilities.demonstrations in ("prompt", "trajectory") for a in agents.values())
    shows = (shows and any(experiment.demos)) or experiment.teacher_forced
    tasks = _tasks(experiment, shows=shows)
    experiment = experiment.model_copy(
        update={
            "task": tuple(tasks),
            "format": tuple(dict.fromkeys(f for t in tasks.values() for f in t.formats)),
        }
    )
    if experiment.teacher_forced and 0 in experiment.demos:
        raise ExperimentError("teacher_forced: expected demos of 1 or more, got 0 among them")
    cells: list[Cell] = []
    skipped: list[str] = []
    for task in tasks.values():
        _check_supply(experiment, task)
        if not experiment.teacher_forced:
            cells.extend(_reference(task, name, asked=name in agents) for name in REFERENCES)
        for name, agent in agents.items():
            if agent.capabilities.blind:
                if name not in REFERENCES or experiment.teacher_forced:
                    cells.append(_blind(experiment, task, name, agent))
                continue
            for format in task.formats:
                if missing := _unseen(task.task, format, agent):
                    skipped.append(f"{name} is not shown {task.task.name} {format}: {missing}")
                    continue
                cells.extend(_swept(experiment, template, task, format, name, agent, chosen))
    if not any(cell.record.asked for cell in cells):
        raise ExperimentError("; ".join(skipped))
    return Plan(experiment, template, tasks, tuple(cells), tuple(skipped))


def _agent(name: str, own: Mapping[str, Agent]) -> Agent:
    try:
        return agent_registry.make(name)
    except UnknownNameError as error:
        raise UnknownNameError("agent", name, {*error.known, *own}) from error


def _tasks(experiment: Experiment, *, shows: bool) -> dict[str, TaskPlan]:
    wanted = (n for name in experiment.task for n in (members() if name == "all" else (name,)))
    tasks = {name: make(name) for name in dict.fromkeys(wanted)}
    known = {format for task in tasks.values() for format in task.formats}
    for format in experiment.format:
        if format not in known:
            raise UnknownNameError("format", format, known)
    folders: dict[str, Path] = {}
    for folder in experiment.pool:
        card = read_card(folder)
        if card.task not in tasks:
            raise PoolError(f"the pool {folder} is of {card.task}, which is not among the tasks")
        folders[card.task] = folder
    plans: dict[str, TaskPlan] = {}
    for name, task in tasks.items():
        formats = tuple(f for f in task.formats if not experiment.format or f in experiment.format)
        if not formats:
            raise ExperimentError(
                f"{name} has none of the formats {', '.join(experiment.format)}; "
                f"it has {', '.join(task.formats)}"
            )
        pool = load_pool_for(task, folders.get(name)) if shows else None
        plans[name] = TaskPlan(task, formats, pool)
    return plans


def _check_supply(experiment: Experiment, plan: TaskPlan) -> None:
    """Checks that there are openings and demonstrations enough for every episode."""
    task, pool, most = plan.task, plan.pool, max(experiment.demos)
    if experiment.teacher_forced and pool and experiment.episodes > len(pool.demonstrations):
        raise PoolError(
            f"{experiment.episodes} teacher-forced episodes of {task.name} were asked for; "
            f"its pool has {len(pool.demonstrations)} demonstrations"
        )
    if experiment.teacher_forced:
        openings: list[Opening] = []
    else:
        openings = list(take(task.openings("evaluation"), experiment.episodes))
    if pool is None or most == 0:
        return
    env = task.make_env()
    fewest = len(pool.demonstrations)
    for opening in openings:
        task.reset(env, opening)
        left = len(pool.demonstrations) - len(plan.showing(env))
        fewest = min(fewest, left)
    env.close()
    if most > fewest:
        total = len(pool.demonstrations)
        kept = f", of which {fewest} never show an evaluated opening" if fewest < total else ""
        raise PoolError(
            f"{most} demonstrations of {task.name} were asked for; its pool has {total}{kept}"
        )


def _unseen(task: Task[Any], format: str, agent: Agent) -> str | None:
    images = format in task.image_formats
    if images and not agent.capabilities.images:
        return "it takes no images"
    if not images and not (agent.capabilities.text or agent.capabilities.state):
        return "it takes no text"
    return None


def _reference(task: TaskPlan, name: str, *, asked: bool) -> Cell:
    """Returns the cell of a reference player, which depends on its task alone."""
    agent = agent_registry.make(name)
    record = CellRecord(hash=_hash(_who(task, name, agent)), **_unswept(task, name), asked=asked)
    return Cell(record, task, agent, None, PromptOptions())


def _blind(experiment: Experiment, task: TaskPlan, name: str, agent: Agent) -> Cell:
    identity = {**_who(task, name, agent), "seed": experiment.seed}
    if experiment.teacher_forced and task.pool:
        identity["teacher_forced"] = task.pool.hash
    record = CellRecord(hash=_hash(identity), **_unswept(task, name))
    return Cell(record, task, agent, None, PromptOptions())


def _who(task: TaskPlan, name: str, agent: Agent) -> dict[str, Any]:
    """Returns what identifies the task and the agent of a cell."""
    return {
        "task": task.task.name,
        "version": task.task.version,
        "task_settings": dict(task.task.settings),
        "agent": name,
        "agent_settings": dict(agent.settings),
    }


def _unswept(task: TaskPlan, name: str) -> dict[str, Any]:
    return {
        "task": task.task.name,
        "format": "",
        "agent": name,
        "selector": "",
        "demonstrations": 0,
    }


def _swept(
    experiment: Experiment,
    template: Template,
    task: TaskPlan,
    format: str,
    name: str,
    agent: Agent,
    chosen: Mapping[str, Selector],
) -> Iterator[Cell]:
    """Yields the cells of an agent that looks at observations, in one format."""
    use = agent.capabilities.demonstrations
    options = PromptOptions(
        legal_actions=experiment.legal_actions,
        reasoning=experiment.reasoning and use == "prompt",
        past_actions=experiment.past_actions,
    )
    shown: dict[str, Any] = {"legal_actions": options.legal_actions}
    if use == "prompt":
        shown = {**asdict(options), "template": template.hash}
    if experiment.teacher_forced:
        shown["teacher_forced"] = True
    takes = use in ("prompt", "trajectory")
    for k in experiment.demos if takes else (0,):
        # With nothing to choose, the selectors would all play, and pay for, the same episodes.
        chooses = takes and k > experiment.teacher_forced
        for selector in chosen if chooses else ("",):
            # Named one by one: what is added here later must not change older hashes.
            identity = {
                **_who(task, name, agent),
                "format": format,
                "options": shown,
                "demonstrations": k,
                "seed": experiment.seed,
            }
            if chooses:
                identity["selector"] = [selector, dict(chosen[selector].settings)]
            if k and task.pool:
                identity["pool"] = task.pool.hash
            record = CellRecord(
                hash=_hash(identity),
                task=task.task.name,
                format=format,
                agent=name,
                selector=selector,
                demonstrations=k,
                options=shown,
            )
            yield Cell(record, task, agent, chosen.get(selector), options)


def _hash(identity: Mapping[str, Any]) -> str:
    return digest(json.dumps(identity, sort_keys=True), size=8).hex()
