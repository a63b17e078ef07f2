"""The cells of an experiment: each point of the sweep, with all that identifies it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from icil.harness.agents import Agent
from icil.harness.agents import make as make_agent
from icil.harness.experiment import Experiment
from icil.harness.ways import NOTHING_SHOWN, Way, control_settings, unchosen
from icil.prompt_builders import PromptOptions, Selector, Template
from icil.prompt_builders.controls import Alteration
from icil.results import CellRecord
from icil.tasks import Opening, Pool, Task, UsageError
from icil.tasks.demonstrations import state_digest
from icil.tasks.references import References
from icil.tasks.seeding import digest


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
    """For each opening the ids of the demonstrations that show it."""
    extended: "Mapping[str, TaskPlan | UsageError]" = field(default_factory=dict)
    """By selector the same task with what that one chooses from, or why it cannot choose."""

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
        self, openings: tuple[Opening, ...], hidden: tuple[frozenset[str], ...]
    ) -> "TaskPlan":
        """Returns the same task with its openings."""
        return replace(self, openings=openings, hidden=hidden)

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
    alterations: tuple[Alteration, ...] = ()
    """What is done to the demonstrations that were chosen."""
    demo_sets: int | None = None
    """How many sets of demonstrations its episodes share; None where each has its own."""

    @property
    def shows(self) -> bool:
        """Whether its episodes show demonstrations."""
        return self.record.demonstrations > 0 or self.record.context_tokens is not None


def reference_cell(task: TaskPlan, name: str, *, asked: bool) -> Cell:
    """Returns the cell of a reference player, which depends on its task alone."""
    agent = make_agent(name)
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
    """Yields the cells of an agent that looks at observations, in one format."""
    use = agent.capabilities.demonstrations
    options = PromptOptions(
        legal_actions=experiment.legal_actions,
        reasoning=experiment.reasoning and use == "prompt",
        past_actions=experiment.past_actions,
        layout=experiment.layout if use == "prompt" else "single",
    )
    shown: dict[str, Any] = {"legal_actions": options.legal_actions}
    if use == "prompt":
        shown = {**asdict(options), "template": template.hash}
    if experiment.teacher_forced:
        shown["teacher_forced"] = True
    if experiment.parse != "strict":
        shown["parse"] = experiment.parse
    takes = use in ("prompt", "trajectory")
    numbers = [(k, None) for k in experiment.demos] if takes else [(0, None)]
    budgets = [(0, tokens) for tokens in experiment.context_tokens if takes]
    for k, tokens in [*numbers, *budgets]:
        # With nothing to choose, the selectors would all play, and pay for, the same episodes.
        chooses = takes and (tokens is not None or k > experiment.teacher_forced)
        shows = k > 0 or tokens is not None
        for way in ways if chooses else unchosen(ways) if shows else (NOTHING_SHOWN,):
            played = task.offered_to(way.controlled.selector)
            played = played if way.task is None else replace(played, task=way.task)
            # Named one by one: what is added here later must not change older hashes.
            identity = {
                **_who(played, name, agent),
                "format": format,
                "options": shown,
                "demonstrations": k,
                "seed": experiment.seed,
            }
            if tokens is not None:
                identity["context_tokens"] = tokens
            if experiment.demo_sets is not None and (k or tokens):
                # Which demonstrations a set may have depends on all of its openings.
                identity["demo_sets"] = [experiment.demo_sets, experiment.episodes]
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
                options=shown,
            )
            yield Cell(
                record,
                played,
                agent,
                way.selector,
                options,
                alterations=way.alterations,
                demo_sets=experiment.demo_sets,
            )


def _hash(identity: Mapping[str, Any]) -> str:
    return digest(json.dumps(identity, sort_keys=True), size=8).hex()
