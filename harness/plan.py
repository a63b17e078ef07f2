"""The plan of a run: the experiment with every name resolved and checked.

Whatever can be wrong with an experiment is found here, before anything is created or sent.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from icil.harness import agents as agent_registry
from icil.harness.agents import Agent, Capabilities
from icil.harness.cells import Cell, TaskPlan, blind_cell, reference_cell, swept_cells
from icil.harness.experiment import Experiment
from icil.prompt_builders import Template, load_template, selectors
from icil.prompt_builders.template import DEFAULT
from icil.tasks import (
    ContractError,
    Demonstration,
    ExperimentError,
    Opening,
    OpeningsError,
    PoolError,
    Task,
    UnknownNameError,
    load_pool_for,
    make,
    members,
)
from icil.tasks.openings import take
from icil.tasks.pools import read_card, shipped_pool
from icil.tasks.references import load_references
from icil.tasks.seeding import digest, generator

REFERENCES = ("random", "expert")
"""The players whose scores the others are held against."""


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
                (f"task {cell.record.task}", cell.task.task.settings),
                (f"agent {cell.record.agent}", cell.agent.settings),
                (
                    f"selector {cell.record.selector}",
                    cell.selector.settings if cell.selector else {},
                ),
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
    for name, agent in own.items():
        _check_agent(name, agent)
    if "all" in experiment.format:
        experiment = experiment.model_copy(update={"format": ()})
    template = load_template(experiment.template or DEFAULT)
    agents = {name: own[name] if name in own else _agent(name, own) for name in experiment.agent}
    chosen = {name: selectors.make(name) for name in experiment.selector}
    shows = any(a.capabilities.demonstrations in ("prompt", "trajectory") for a in agents.values())
    shows = (shows and any(experiment.demos)) or experiment.teacher_forced
    skipped: list[str] = []
    tasks = _tasks(experiment, skipped, shows=shows)
    demos = experiment.demos
    if experiment.teacher_forced and 0 in demos:
        skipped.append("0 demonstrations: a teacher-forced episode is one of those shown")
        demos = tuple(k for k in demos if k)
    if not demos:
        raise ExperimentError("teacher_forced: expected demos of 1 or more, got 0 alone")
    experiment = experiment.model_copy(
        update={
            "task": tuple(tasks),
            "format": tuple(dict.fromkeys(f for t in tasks.values() for f in t.formats)),
            "demos": demos,
        }
    )
    cells: list[Cell] = []
    for task in tasks.values():
        _check_supply(experiment, task)
        if not experiment.teacher_forced:
            cells.extend(
                reference_cell(task, name, asked=name in agents)
                for name in REFERENCES
                if name != "expert" or task.task.has_expert
            )
        for name, agent in agents.items():
            if name == "expert" and not task.task.has_expert:
                skipped.append(f"expert does not play {task.task.name}: it has no expert")
                continue
            if agent.capabilities.blind:
                if name not in REFERENCES or experiment.teacher_forced:
                    cells.append(blind_cell(experiment, task, name, agent))
                continue
            for format in task.formats:
                if missing := _unseen(task.task, format, agent):
                    skipped.append(f"{name} is not shown {task.task.name} {format}: {missing}")
                    continue
                cells.extend(swept_cells(experiment, template, task, format, name, agent, chosen))
    if not any(cell.record.asked for cell in cells):
        raise ExperimentError("; ".join(skipped))
    return Plan(experiment, template, tasks, tuple(cells), tuple(skipped))


def _agent(name: str, own: Mapping[str, Agent]) -> Agent:
    try:
        agent = agent_registry.make(name)
    except UnknownNameError as error:
        raise UnknownNameError("agent", name, {*error.known, *own}) from error
    _check_agent(name, agent)
    return agent


def _check_agent(name: str, agent: object) -> None:
    """Checks what can be checked of an agent before it plays.

    Raises:
        ContractError: It is none, or does not say what it can be given.
    """
    if not isinstance(agent, Agent):
        raise ContractError(f"agent {name!r} is no icil.harness.Agent but a {type(agent).__name__}")
    found = getattr(agent, "capabilities", None)
    if not isinstance(found, Capabilities):
        raise ContractError(f"agent {name!r} needs `capabilities`, an icil.harness.Capabilities")
    if found.context_tokens is not None and type(agent).tokens is Agent.tokens:
        raise ContractError(
            f"agent {name!r} names a limit of {found.context_tokens} tokens and so must count "
            "them: give it a method `tokens(part)`"
        )


def _tasks(experiment: Experiment, skipped: list[str], *, shows: bool) -> dict[str, TaskPlan]:
    wanted = dict.fromkeys(
        n for name in experiment.task for n in (members() if name == "all" else (name,))
    )
    pools = {read_card(folder).task for folder in experiment.pool}
    if shows and "all" in experiment.task:
        for name in [n for n in wanted if n not in experiment.task]:
            if name not in pools and not shipped_pool(name).exists():
                skipped.append(f"{name}: it has no pool of demonstrations; give one with --pool")
                del wanted[name]
    for key in experiment.set:
        if (name := key.rpartition(".")[0]) not in wanted:
            raise UnknownNameError(f"task in the setting {key!r}:", name, wanted)
    tasks = {name: make(name, experiment.settings_of(name)) for name in wanted}
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
        references = {} if experiment.teacher_forced else load_references(task)
        plans[name] = TaskPlan(task, formats, pool, references)
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
        openings = _openings(task, experiment.episodes)
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


def _openings(task: Task[Any], episodes: int) -> list[Opening]:
    source = task.openings("evaluation")
    try:
        return list(take(source, episodes))
    except OpeningsError as error:
        raise OpeningsError(
            f"{episodes} episodes of {task.name} were asked for; it has {source.distinct} "
            "evaluation openings"
        ) from error


def _unseen(task: Task[Any], format: str, agent: Agent) -> str | None:
    images = format in task.image_formats
    if images and not agent.capabilities.images:
        return "it takes no images"
    if not images and not (agent.capabilities.text or agent.capabilities.state):
        return "it takes no text"
    return None
