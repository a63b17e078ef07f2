"""The cells of an experiment: each point of the sweep, with all that identifies it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

from icil.harness.agents import Agent
from icil.harness.agents import make as make_agent
from icil.harness.planning.experiment import Experiment
from icil.harness.planning.leaks import Leak
from icil.harness.planning.ways import NOTHING_SHOWN, Way, control_settings, unchosen
from icil.prompt_builders import PromptOptions, Selector, Template
from icil.prompt_builders.controls import Alteration
from icil.results import CellRecord
from icil.tasks import Opening, Pool, Task, UsageError
from icil.tasks.references import References
from icil.tasks.seeding import digest

DEMO_SETS = "demo_sets"
"""The option of a cell whose episodes share demonstrations: how many sets, and episodes."""


@dataclass(frozen=True, eq=False)
class TaskPlan:
    """A task of an experiment."""

    task: Task[Any]
    formats: tuple[str, ...]
    pool: Pool | None
    """None where no cell shows demonstrations."""
    references: References = field(default_factory=dict)
    """The reference players' episodes that need not be played; empty if all must be."""
    openings: tuple[Opening, ...] = ()
    """Those that are played; none in a teacher-forced run."""
    hidden: tuple[frozenset[str], ...] = ()
    """For each opening the ids of the demonstrations that are not offered, for they show it."""
    leaks: tuple[Leak, ...] = ()
    """For each opening, or each demonstration that is played again, what shows it."""
    extended: "Mapping[str, TaskPlan | UsageError]" = field(default_factory=dict)
    """By selector the same task with what that one chooses from, or why it cannot choose."""
    unspoken: "TaskPlan | None" = None
    """The task itself, with its own pool, where this one is in an action language."""

    def offered_to(self, selector: str) -> "TaskPlan":
        """Returns the task with the pool that a selector chooses from.

        Raises:
            UsageError: The selector makes no sense for this task.
        """
        found = self.extended.get(selector, self)
        if isinstance(found, UsageError):
            raise found
        return found

    def with_openings(
        self,
        openings: tuple[Opening, ...],
        hidden: tuple[frozenset[str], ...],
        leaks: tuple[Leak, ...],
    ) -> "TaskPlan":
        """Returns the same task with its openings."""
        return replace(self, openings=openings, hidden=hidden, leaks=leaks)


@dataclass(frozen=True, eq=False)
class Cell:
    """One point of a sweep, ready to be played."""

    record: CellRecord
    task: TaskPlan
    agent: Agent
    selector: Selector | None
    """None where the agent is shown no demonstrations."""
    options: PromptOptions
    alterations: tuple[Alteration, ...] = ()
    """What is done to the demonstrations that were chosen."""
    demo_sets: int | None = None
    """How many sets of demonstrations its episodes share; None where each has its own."""

    @property
    def shows(self) -> bool:
        """Whether its episodes show demonstrations."""
        return self.record.demonstrations > 0 or self.record.context_tokens is not None

    @property
    def each_step(self) -> bool:
        """Whether demonstrations are chosen anew at each step."""
        return self.selector is not None and self.selector.each_step


def plainly(task: TaskPlan) -> TaskPlan:
    """Returns a task as it is played by those who do not speak its action language."""
    return task.unspoken or replace(task, task=task.task.plain)


def reference_cell(task: TaskPlan, name: str, *, asked: bool) -> Cell:
    """Returns the cell of a reference player, which depends on its task alone."""
    agent, task = make_agent(name), plainly(task)
    record = CellRecord(hash=_hash(_who(task, name, agent)), **_unswept(task, name), asked=asked)
    return Cell(record, task, agent, None, PromptOptions())


def blind_cell(experiment: Experiment, task: TaskPlan, name: str, agent: Agent) -> Cell:
    """Returns the cell of an agent that looks at no observation: one for all formats."""
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


def swept_cells(
    experiment: Experiment,
    template: Template,
    task: TaskPlan,
    format: str,
    name: str,
    agent: Agent,
    ways: Sequence[Way],
) -> Iterator[Cell]:
    """Yields the cells of an agent that looks at observations, in one format.

    What makes no difference to it makes no second cell.
    """
    seen: set[str] = set()
    for options in _every_option(experiment, agent):
        for sets in experiment.each("demo_sets"):
            for cell in _cells(
                experiment, template, task, format, name, agent, ways, options, sets
            ):
                if cell.record.hash not in seen:
                    seen.add(cell.record.hash)
                    yield cell


def _every_option(experiment: Experiment, agent: Agent) -> Iterator[PromptOptions]:
    """Yields the options of an experiment as they concern an agent, the default ones first."""
    read = agent.capabilities.demonstrations == "prompt"
    for legal_actions, reasoning, past_actions, layout in product(
        experiment.each("legal_actions"),
        experiment.each("reasoning"),
        experiment.each("past_actions"),
        experiment.each("layout"),
    ):
        yield PromptOptions(
            legal_actions=legal_actions,
            reasoning=reasoning and read,
            past_actions=past_actions,
            layout=layout if read else "single",
        )
        if not (read or agent.heeds_legal_actions):
            return


def _cells(
    experiment: Experiment,
    template: Template,
    task: TaskPlan,
    format: str,
    name: str,
    agent: Agent,
    ways: Sequence[Way],
    options: PromptOptions,
    demo_sets: int | None,
) -> Iterator[Cell]:
    """Yields the cells of an agent in one format, with one set of options."""
    use = agent.capabilities.demonstrations
    shown: dict[str, Any] = {"legal_actions": options.legal_actions}
    if use == "prompt":
        shown = {**asdict(options), "template": template.hash}
    if agent.execution is not None:
        shown = {"execution": str(agent.execution)}
    if experiment.teacher_forced:
        shown["teacher_forced"] = True
        if experiment.held_out:
            shown["held_out"] = True
    if experiment.parse != "strict":
        shown["parse"] = experiment.parse
    takes = use in ("prompt", "trajectory")
    numbers = [(k, None) for k in experiment.demos] if takes else [(0, None)]
    budgets = [(0, tokens) for tokens in experiment.context_tokens if takes]
    for k, tokens in [*numbers, *budgets]:
        # With nothing to choose, the selectors would all play, and pay for, the same episodes.
        itself = experiment.teacher_forced and not experiment.held_out
        chooses = takes and (tokens is not None or k > itself)
        shows = k > 0 or tokens is not None
        # Which demonstrations a set may have depends on all of its openings.
        shared: dict[str, Any] = {}
        if shows and demo_sets is not None:
            shared[DEMO_SETS] = [demo_sets, experiment.episodes]
        if shows and experiment.leaks != "exclude":
            shared["leaks"] = experiment.leaks
        for way in ways if chooses else unchosen(ways) if shows else (NOTHING_SHOWN,):
            if way.selector is not None and way.selector.each_step:
                _check_each_step(way, name, agent, demo_sets)
            played = task.offered_to(way.controlled.selector)
            played = played if way.task is None else replace(played, task=way.task)
            # Named one by one: what is added here later must not change older hashes.
            identity = {
                **_who(played, name, agent),
                "format": format,
                "options": shown,
                "demonstrations": k,
                "seed": experiment.seed,
                **shared,
            }
            if tokens is not None:
                identity["context_tokens"] = tokens
            if way.selector is not None:
                identity["selector"] = [way.name, dict(way.selector.settings)]
            if way.alterations:
                identity["controls"] = [way.controlled.suffix, control_settings(way.alterations)]
            if (k or tokens) and played.pool:
                identity["pool"] = played.pool.hash
            record = CellRecord(
                hash=_hash(identity),
                task=task.task.name,
                format=format,
                agent=name,
                selector=way.name,
                demonstrations=k,
                context_tokens=tokens,
                options={**shown, **shared},
            )
            yield Cell(
                record,
                played,
                agent,
                way.selector,
                options,
                alterations=way.alterations,
                demo_sets=demo_sets,
            )


def _check_each_step(way: Way, name: str, agent: Agent, demo_sets: int | None) -> None:
    """Checks that demonstrations can be chosen anew at each step.

    Raises:
        UsageError: Episodes are to share them, or the agent is shown none but the episode's.
    """
    said = f"selector {way.controlled.selector} chooses demonstrations anew at each step"
    if demo_sets is not None:
        raise UsageError(
            f"{said}, so that episodes cannot share a set of them: leave out one of it and "
            "demo_sets"
        )
    if agent.capabilities.demonstrations != "prompt" and not agent.capabilities.each_step:
        raise UsageError(
            f"{said}, and {name} takes those of an episode: leave out one of them, or let it read "
            "Turn.demonstrations and say so (Capabilities.each_step)"
        )


def _hash(identity: Mapping[str, Any]) -> str:
    return digest(json.dumps(identity, sort_keys=True), size=8).hex()
