"""The plan of a run: the experiment with every name resolved and checked.

Whatever can be wrong with an experiment is found here, before anything is created or sent.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from icil.harness import agents as agent_registry
from icil.harness.agents import Agent, Capabilities
from icil.harness.agents.model import ModelAgent
from icil.harness.models.tables.prices import Prices
from icil.harness.planning.cells import (
    Cell,
    TaskPlan,
    blind_cell,
    plainly,
    reference_cell,
    swept_cells,
)
from icil.harness.planning.experiment import Experiment
from icil.harness.planning.extending import with_extensions
from icil.harness.planning.starts import EVALUATION, OpeningRange, Start, make_starts, with_openings
from icil.harness.planning.ways import Way, Ways, control_settings
from icil.prompt_builders import Template, load_template
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.prompt_builders.template import DEFAULT
from icil.results.action_errors import BOUNDS, bounds_of
from icil.tasks import (
    ContractError,
    ExperimentError,
    PoolCard,
    PoolError,
    Task,
    UnknownNameError,
    UsageError,
    load_pool_for,
    make,
    members,
)
from icil.tasks.languages import Spoken
from icil.tasks.pools import made_for, read_card, shipped_pool
from icil.tasks.references import load_references
from icil.tasks.seeding import digest
from icil.tasks.windows import windowed

REFERENCES = ("random", "expert")
"""The players whose scores the others are held against."""


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
    openings: OpeningRange = EVALUATION
    """Those that are played."""

    @property
    def fields(self) -> dict[str, Any]:
        """What decides the run, as JSON: the experiment with contents in place of paths."""
        found = self.experiment.model_dump(mode="json")
        for name in ("format", "agent", "selector", "demos", "context_tokens"):
            found[name] = sorted(found[name])  # in another order it is the same experiment
        del found["control"]  # their cells are among the selectors'
        for name, usual in (("window", None), ("leaks", "exclude"), ("held_out", False)):
            if found[name] == usual:  # as in runs from before there were others
                del found[name]
        found["template"] = self.template.hash
        del found["prices"]  # decides what is reckoned, not what is played
        del found["scores"]  # their contents are among the selectors' settings
        found["pool"] = {name: t.pool.hash for name, t in self.tasks.items() if t.pool}
        for cell in self.cells:
            pool = cell.task.pool
            if cell.shows and pool is not None and pool.hash != found["pool"][cell.record.task]:
                whose = " itself" if cell.agent.capabilities.formatless else ""
                found["pool"][f"{cell.record.task}{whose} {cell.record.selector}"] = pool.hash
        if self.openings != EVALUATION:
            found["openings"] = self.openings._asdict()
        found["task"] = {name: t.task.version for name, t in self.tasks.items()}
        parts = [
            part
            for cell in self.cells
            for part in (
                (f"task {cell.record.task}", cell.task.task.plain.settings),
                (f"action language of {cell.record.task}", _language(cell.task.task)),
                (f"agent {cell.record.agent}", cell.agent.settings),
                (
                    f"selector {cell.record.selector}",
                    cell.selector.settings if cell.selector else {},
                ),
                (
                    f"controls {cell.record.selector} of {cell.record.task} {cell.record.format}",
                    control_settings(cell.alterations),
                ),
            )
        ]
        found["settings"] = {name: dict(settings) for name, settings in parts if settings}
        return found

    @property
    def hash(self) -> str:
        """The experiment's hash, 16 hexadecimal digits."""
        return experiment_hash(self.fields)

    @property
    def meta(self) -> dict[str, Any]:
        """What the store keeps about the run as a whole."""
        return {
            "experiment": self.fields,
            "experiment_hash": self.hash,
            "formats": {name: list(t.formats) for name, t in self.tasks.items()},
            "pools": {name: _about(t.pool.card) for name, t in self.tasks.items() if t.pool},
            "icil": version("icil"),
            **({BOUNDS: bounds} if (bounds := self._bounds()) else {}),
        }

    def _bounds(self) -> dict[str, Any]:
        """Returns what action errors need to know of tasks whose data sets may lie elsewhere."""
        forced = self.experiment.teacher_forced
        found = {name: bounds_of(t.task) for name, t in self.tasks.items() if forced}
        return {name: bounds for name, bounds in found.items() if bounds}

    @property
    def episodes(self) -> int:
        """How many episodes the whole run has."""
        return len(self.cells) * self.experiment.episodes

    def starts(self, cell: Cell) -> Iterator[Start]:
        """Yields what a cell's episodes start from, in the order in which they are played."""
        return make_starts(self.experiment, cell)


def experiment_hash(fields: Mapping[str, Any]) -> str:
    """Returns the hash of an experiment, given what decides it (`Plan.fields`)."""
    return digest(json.dumps(fields, sort_keys=True), size=8).hex()


def _language(task: Task[Any]) -> Mapping[str, Any]:
    """Returns the language that a task is played in, with what it was fitted to, if it is."""
    if not isinstance(task, Spoken):
        return {}
    usual = task.plain.settings
    return {name: value for name, value in task.settings.items() if name not in usual}


def _about(card: PoolCard) -> dict[str, Any]:
    """Returns what tells people which pool it is."""
    return {
        "expert": card.expert,
        "demonstrations": card.demonstrations,
        "made_by": card.made_by,
    }


def make_plan(
    experiment: Experiment,
    own_agents: Mapping[str, Agent] | None = None,
    openings: OpeningRange = EVALUATION,
    tell: Telling = in_silence,
    *,
    stand_ins: Mapping[str, Agent] | None = None,
) -> Plan:
    """Resolves and checks an experiment; takes long where a selector extends a pool anew.

    Args:
        experiment: What to play.
        own_agents: Agents by name, beside the registered ones.
        openings: Which openings are played; of others than those for evaluation without the
            reference players.
        tell: Is told how far it is, where it takes long.
        stand_ins: All the experiment's agents, in place of those of these names, where it is
            looked at again and not played.

    Raises:
        UsageError: It cannot be played; the message says what would be right.
    """
    if experiment.teacher_forced and experiment.window is not None:
        raise ExperimentError(
            "window: a teacher-forced episode is a whole demonstration from its opening on; leave "
            "out one of window and teacher_forced"
        )
    if "all" in experiment.format:
        experiment = experiment.model_copy(update={"format": ()})
    template = load_template(experiment.template or DEFAULT)
    agents = stand_ins or make_agents(experiment, own_agents or {})
    ways = Ways(experiment)
    shows = any(a.capabilities.demonstrations in ("prompt", "trajectory") for a in agents.values())
    wanted = any(experiment.demos) or bool(experiment.context_tokens)
    shows = (shows and wanted) or experiment.teacher_forced
    skipped: list[str] = []
    tasks = _tasks(experiment, agents, ways, openings, skipped, tell, shows=shows)
    bound = _bind(ways, tasks, skipped, every="all" in experiment.task)
    unspoken = {name: task.unspoken for name, task in tasks.items() if task.unspoken}
    itself = {**bound, **_bind(ways, unspoken, [], every="all" in experiment.task)}
    experiment = experiment.model_copy(
        update={
            "selector": ways.names,
            "control": (),
            "task": tuple(tasks),
            "format": tuple(dict.fromkeys(f for t in tasks.values() for f in t.formats)),
            "demos": _demos(experiment, skipped),
        }
    )
    cells = [
        cell
        for task in tasks.values()
        for cell in _cells(
            experiment,
            template,
            task,
            agents,
            bound[task.task.name],
            itself[task.task.name],
            skipped,
            compared=openings == EVALUATION and not experiment.teacher_forced,
        )
    ]
    if not any(cell.record.asked for cell in cells):
        raise ExperimentError("; ".join(skipped))
    return Plan(experiment, template, tasks, tuple(cells), tuple(skipped), openings)


def _bind(
    ways: Ways, tasks: Mapping[str, TaskPlan], skipped: list[str], *, every: bool
) -> Mapping[str, Mapping[str, Sequence[Way]]]:
    """Returns the ways to choose and show demonstrations that each task and format has.

    Args:
        ways: Those asked for.
        tasks: The tasks by name.
        skipped: Is told what a task, or one of its formats, does not have.
        every: Whether all tasks were asked for, and not these.

    Raises:
        UsageError: A task that was asked for by name has none of its formats for a control.
    """
    bound: dict[str, dict[str, list[Way]]] = {
        n: {f: [] for f in t.formats} for n, t in tasks.items()
    }
    for task, name in product(tasks.values(), ways.names):
        refused: list[UsageError] = []
        for format, found in bound[task.task.name].items():
            try:
                offered = task.offered_to(ways.selector_of(name)).pool
                found.append(ways.bind(name, task.task, format, offered))
            except UsageError as error:
                refused.append(error)
        if len(refused) == len(task.formats) and not every:
            raise refused[0]
        skipped.extend(dict.fromkeys(f"{task.task.name}: {error}" for error in refused))
    return bound


def _demos(experiment: Experiment, skipped: list[str]) -> tuple[int, ...]:
    demos = experiment.demos
    if experiment.held_out and not experiment.teacher_forced:
        raise ExperimentError("held_out: only teacher-forced episodes can be held out")
    if experiment.teacher_forced and not experiment.held_out and 0 in demos:
        skipped.append("0 demonstrations: a teacher-forced episode is one of those shown")
        demos = tuple(k for k in demos if k)
    if not demos:
        raise ExperimentError("teacher_forced: expected demos of 1 or more, got 0 alone")
    return demos


def _cells(
    experiment: Experiment,
    template: Template,
    task: TaskPlan,
    agents: Mapping[str, Agent],
    ways: Mapping[str, Sequence[Way]],
    itself: Mapping[str, Sequence[Way]],
    skipped: list[str],
    *,
    compared: bool,
) -> Iterator[Cell]:
    """Yields a task's cells, the reference players' first if they are compared with.

    Args:
        experiment: What is played.
        template: The wording.
        task: The task.
        agents: The agents by name.
        ways: By format how demonstrations are chosen and shown.
        itself: The same for those who do not speak the task's action language.
        skipped: Is told what is not played.
        compared: Whether there are reference players.
    """
    has_expert = task.task.plain.has_expert
    players = [name for name in REFERENCES if name != "expert" or has_expert]
    if compared:
        for name in players:
            yield reference_cell(task, name, asked=name in agents)
    for name, agent in agents.items():
        if name == "expert" and name not in players:
            skipped.append(f"expert does not play {task.task.name}: it has no expert")
            continue
        if agent.capabilities.blind:
            if name not in REFERENCES:
                yield blind_cell(experiment, task, name, agent)
            elif not compared:
                yield blind_cell(experiment, plainly(task), name, agent)
            continue
        own = agent.capabilities.formatless
        played = plainly(task) if own else task
        try:
            agent.check_task(played.task)
        except UsageError as error:
            skipped.append(f"{name} does not play {task.task.name}: {error}")
            continue
        for format in ("",) if own else task.formats:
            if not own and (missing := _unseen(task.task, format, agent)):
                skipped.append(f"{name} is not shown {task.task.name} {format}: {missing}")
                continue
            shown = (itself if own else ways)[format or task.formats[0]]
            for cell in swept_cells(experiment, template, played, format, name, agent, shown):
                budget, limit = cell.record.context_tokens, agent.capabilities.context_tokens
                if budget is None or limit is None or budget <= limit:
                    yield cell
                    continue
                note = f"{name} takes {limit} tokens, and so has no budget of {budget}"
                if note not in skipped:
                    skipped.append(note)


_EVERY_MODEL = ("temperature", "max_output_tokens")
"""Options that are settings of each model that has them."""


def make_agents(experiment: Experiment, own: Mapping[str, Agent]) -> dict[str, Agent]:
    """Makes the agents of an experiment, as they are set.

    Args:
        experiment: The experiment.
        own: Agents by name, beside the registered ones.

    Raises:
        UsageError: There is no such agent, or it cannot be set so.
        ContractError: One of one's own is no agent.
    """
    if taken := set(own) & set(agent_registry.names()):
        raise ContractError(f"there is an agent named {min(taken)!r} already")
    for name, agent in own.items():
        _check_agent(name, agent)
    prices = Prices.load(experiment.prices)
    agents = {
        name: own[name] if name in own else _agent(name, experiment, own)
        for name in experiment.agent
    }
    for agent in agents.values():
        if isinstance(agent, ModelAgent):
            agent.use_prices(prices)
    return agents


def _agent(name: str, experiment: Experiment, own: Mapping[str, Agent]) -> Agent:
    try:
        found = agent_registry.find(name)
    except UnknownNameError as error:
        raise UnknownNameError("agent", name, {*error.known, *own}) from error
    settings = {one: getattr(experiment, one) for one in _EVERY_MODEL if one in found.settings}
    agent = found.make({**settings, **experiment.settings_of(name)})
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


def _tasks(
    experiment: Experiment,
    agents: Mapping[str, Agent],
    ways: Ways,
    openings: OpeningRange,
    skipped: list[str],
    tell: Telling,
    *,
    shows: bool,
) -> dict[str, TaskPlan]:
    wanted = dict.fromkeys(
        n for name in experiment.task for n in (members() if name == "all" else (name,))
    )
    pools = {read_card(folder).task for folder in experiment.pool}
    if "all" in experiment.task:
        for name in [n for n in wanted if n not in experiment.task]:
            try:
                make(name)
            except UsageError as error:  # an extra is not installed
                skipped.append(f"{name}: {error}")
                del wanted[name]
    if shows and "all" in experiment.task:
        for name in [n for n in wanted if n not in experiment.task]:
            if name not in pools and not shipped_pool(name).exists():
                skipped.append(f"{name}: it has no pool of demonstrations; give one with --pool")
                del wanted[name]
    for key in experiment.set:
        if (name := key.rpartition(".")[0]) not in {*wanted, *agents}:
            raise UnknownNameError(f"task or agent in the setting {key!r}:", name, wanted)
    tasks = {name: make(name, experiment.settings_of(name)) for name in wanted}
    known = {format for task in tasks.values() for format in task.formats}
    for format in experiment.format:
        if format not in known:
            raise UnknownNameError("format", format, known)
    folders: dict[str, Path] = {}
    for folder in experiment.pool:
        card = read_card(folder)
        owners = [n for n, task in tasks.items() if n == card.task or made_for(card, task)]
        if not owners:
            raise PoolError(f"the pool {folder} is of {card.task}, which is not among the tasks")
        folders |= dict.fromkeys(owners, folder)
    plans: dict[str, TaskPlan] = {}
    for name, task in tasks.items():
        formats = tuple(f for f in task.formats if not experiment.format or f in experiment.format)
        if not formats:
            raise ExperimentError(
                f"{name} has none of the formats {', '.join(experiment.format)}; "
                f"it has {', '.join(task.formats)}"
            )
        whole = load_pool_for(task.plain, folders.get(name)) if shows else None
        compared = openings == EVALUATION and not experiment.teacher_forced
        references = load_references(task.plain) if compared else {}

        plan = TaskPlan(task, formats, whole, references)
        unspoken: TaskPlan | None = None
        if isinstance(task, Spoken):
            spoken = None if whole is None else task.pool(whole)
            if any(agent.capabilities.formatless for agent in agents.values()):
                itself = replace(plan, task=task.plain)
                unspoken = _offering(experiment, itself, ways, openings, tell)
            plan = replace(plan, pool=spoken)
        plan = _offering(experiment, plan, ways, openings, tell)
        plans[name] = replace(plan, unspoken=unspoken)
    return plans


def _offering(
    experiment: Experiment, plan: TaskPlan, ways: Ways, openings: OpeningRange, tell: Telling
) -> TaskPlan:
    """Returns a task, which has its whole pool, with its openings and what is offered for each."""
    whole = plan.pool
    if whole is not None and experiment.window is not None:
        plan = replace(plan, pool=windowed(plan.task, whole, experiment.window))
    plan = with_openings(experiment, plan, openings, tell)
    return with_extensions(experiment, plan, whole, ways.selectors, openings, tell)


def _unseen(task: Task[Any], format: str, agent: Agent) -> str | None:
    images = format in task.image_formats
    if images and not agent.capabilities.images:
        return "it takes no images"
    if not images and not (agent.capabilities.text or agent.capabilities.state):
        return "it takes no text"
    return None
