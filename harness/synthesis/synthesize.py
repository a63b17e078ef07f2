"""Synthesis: somebody plays new demonstration openings, and filters say what is kept.

A perturbed expert's episodes are in `OUT.proposals.jsonl`, those of an agent or a function in the
run folder `OUT.run`, ratings in `OUT.likert-AGENT`. They stay: the same command goes on where it
was stopped, and other filters find what was played.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from icil.harness import agents as agent_registry
from icil.harness.agents import Agent
from icil.harness.planning.experiment import Experiment
from icil.harness.planning.plan import make_plan
from icil.harness.planning.starts import OpeningRange
from icil.harness.synthesis.functions import load_function, names_function
from icil.harness.synthesis.likert import LikertFilter, read_judge
from icil.harness.synthesis.replaying import read_proposals
from icil.harness.synthesis.runs import Manner, Runs
from icil.prompt_builders.synthesis import (
    Filter,
    NothingKeptError,
    Proposal,
    Proposed,
    first_new_opening,
    make_synthetic_pool,
    read_filter,
)
from icil.tasks import (
    ExperimentError,
    Pool,
    PoolError,
    Task,
    UnknownNameError,
    load_pool_for,
    make,
    save_pool,
)
from icil.tasks.building import play_openings
from icil.tasks.players import PERTURBED, make_player, read_noise

_SINGLE = ("task", "format", "agent", "selector", "demos")
"""Fields of an experiment that have one value here."""


def synthesize(
    experiment: Experiment,
    out: Path,
    *,
    filters: Sequence[str] = (),
    add: bool = False,
    proposals: Path | None = None,
    manner: Manner | None = None,
) -> Pool:
    """Makes a pool of synthetic demonstrations.

    Args:
        experiment: One task, its real pool, and one proposer as the agent: an agent, with its
            format, demonstrations and so on; `perturbed[:noise=P]`; or `module:function`. Its
            episodes are how many openings of the demonstration split are played: the first ones
            that are new to the pool.
        out: The new pool's folder; it does not exist yet.
        filters: How they are written; see `icil.prompt_builders.synthesis.filters` and `likert`.
        add: Whether the pool holds the real demonstrations too.
        proposals: What the names of files and folders with proposals begin with; None for `out`.
        manner: How it goes about it.

    Raises:
        IncompleteError: Episodes are missing; what was played is kept.
        UsageError: It cannot be done; what was played is kept.
        StoreError: What was played cannot be written, or is damaged.
    """
    if out.exists():
        raise PoolError(f"{out} exists already; a pool is not overwritten")
    runs = Runs(manner or Manner())
    beside = proposals or out
    name, proposer = _single(experiment)
    task = make(name, experiment.settings_of(name))
    real = load_pool_for(task, next(iter(experiment.pool), None))
    chosen = [_filter(text, experiment, beside, runs) for text in filters]
    _check_settings(experiment, chosen)
    if proposer.partition(":")[0] == PERTURBED:
        proposed = _perturbed(experiment, task, real, _beside(beside, ".proposals.jsonl"), runs)
    else:
        proposed = _played(experiment, task, real, _beside(beside, ".run"), runs)
    try:
        pool = make_synthetic_pool(task, real, proposed, chosen, add=add, tell=runs.manner.tell)
    except NothingKeptError as error:
        raise PoolError(f"{error}; they are kept beside {beside} for other filters") from error
    save_pool(pool, out)
    return pool


def _single(experiment: Experiment) -> tuple[str, str]:
    """Returns the task and the proposer."""
    for field in _SINGLE:
        values = getattr(experiment, field)
        if len(values) > 1 or "all" in values:
            raise ExperimentError(
                f"option --{field if field != 'agent' else 'proposer'}: expected one, got "
                f"{', '.join(map(str, values))}"
            )
    if len(experiment.pool) > 1:
        raise ExperimentError("option --pool: expected one, got more")
    for field in ("teacher_forced", "context_tokens", "control"):
        if getattr(experiment, field):
            raise ExperimentError(f"{field}: not in a synthesis, whose episodes are of one kind")
    return experiment.task[0], experiment.agent[0]


def _check_settings(experiment: Experiment, filters: Sequence[Filter]) -> None:
    """Refuses settings of what has no part in the synthesis."""
    judges = [one.agent for one in filters if isinstance(one, LikertFilter)]
    known = {*experiment.task, *experiment.agent, *judges}
    for key in experiment.set:
        if (name := key.rpartition(".")[0]) not in known:
            raise UnknownNameError(f"task or agent in the setting {key!r}:", name, known)


def _filter(text: str, experiment: Experiment, beside: Path, runs: Runs) -> Filter:
    judge = read_judge(text)
    if judge is None:
        return read_filter(text)
    folder = _beside(beside, f".likert-{re.sub(r'[^A-Za-z0-9.]+', '_', judge.agent)}")
    made = LikertFilter(text, judge, experiment, folder, runs)
    made.check()
    return made


def _beside(path: Path, ending: str) -> Path:
    return path.parent / f"{path.name}{ending}"


def _perturbed(
    experiment: Experiment, task: Task[Any], real: Pool, journal: Path, runs: Runs
) -> Proposed:
    (player,), total = experiment.agent, experiment.episodes
    read_noise(player)
    with closing(make_player(task, player)) as made:
        settings = dict(made.settings)
    played = 0

    def progress() -> None:
        nonlocal played
        played += 1
        runs.manner.tell(f"a perturbed expert plays {task.name}", played, total)

    episodes = play_openings(
        journal,
        task.name,
        total,
        settings=task.settings,
        player=player,
        first=first_new_opening(real),
        workers=runs.manner.workers,
        progress=progress,
    )
    return Proposed(
        proposer=PERTURBED,
        settings=settings,
        episodes=tuple(Proposal(demonstration=one) for one in episodes),
    )


def _played(
    experiment: Experiment, task: Task[Any], real: Pool, folder: Path, runs: Runs
) -> Proposed:
    """Lets an agent, or a function, play through the runner."""
    (name,) = experiment.agent
    own = _own_agents(name, runs.manner.agents)
    mine = {k: v for k, v in experiment.set.items() if k.rpartition(".")[0] in (task.name, name)}
    formats = experiment.format or task.formats[:1]
    experiment = experiment.model_copy(update={"format": formats, "set": mine})
    openings = OpeningRange("demonstration", first_new_opening(real))
    plan = make_plan(experiment, own, openings, runs.manner.tell)
    runs.play(plan, folder)
    (cell,) = plan.cells
    record = cell.record
    return Proposed(
        proposer=name,
        settings={
            "format": record.format,
            "selector": record.selector,
            "seed": experiment.seed,
            **record.options,
            **cell.agent.settings,
        },
        demonstrations=record.demonstrations,
        episodes=tuple(read_proposals(folder, task, task.openings(openings.split))),
    )


def _own_agents(name: str, own: Mapping[str, Agent]) -> Mapping[str, Agent]:
    """Returns one's own agents, a function among them if that is named."""
    if name in own:
        return own
    try:
        agent_registry.find(name)
    except UnknownNameError as error:
        if not names_function(name):
            raise UnknownNameError("proposer", name, {*error.known, *own, PERTURBED}) from error
        return {**own, name: load_function(name)}
    return own
