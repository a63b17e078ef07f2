"""The runner: plays the episodes of an experiment, many at once, on one event loop.

Nothing that it does depends on how many play at once, in which order they end, or how
often the run was interrupted: every episode is a function of the experiment. One thread
writes the store; rendering a prefix and slow experts have threads of their own.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icil.harness.agents import Agent
from icil.harness.cells import Cell
from icil.harness.episode import Desk, Episode, Progress
from icil.harness.experiment import Experiment
from icil.harness.folder import LEADERBOARD, SCORES, open_folder
from icil.harness.plan import Plan, make_plan
from icil.harness.recorded import enter_recorded, find_recorded
from icil.harness.threads import call
from icil.harness.work import Work
from icil.harness.writer import StoreWriter
from icil.prompt_builders import PromptBuilder
from icil.results import (
    EpisodeStatus,
    Leaderboard,
    RunStore,
    Usage,
    make_leaderboard,
    save_scores,
)
from icil.tasks.errors import StoreError

CONCURRENCY = 16
"""How many episodes play at once unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How a run ended."""

    folder: Path
    leaderboard: Leaderboard
    episodes: int
    """In the whole run, those of the reference players included."""
    errors: int
    """Episodes that a fault ended; the same command tries them again."""
    faults: Mapping[str, int]
    """The commonest of those faults, with how many episodes each ended."""
    overlong: int
    """Episodes whose prompt does not fit its model."""
    skipped: tuple[str, ...]
    """What was asked for and could not be played, such as images for an agent without eyes."""


class _Silence:
    def resumed(self, ended: int, cost_usd: float) -> None: ...

    def stepped(self, usage: Usage) -> None: ...

    def ended(self, status: EpisodeStatus) -> None: ...


def run(
    experiment: Experiment,
    folder: Path,
    *,
    agents: Mapping[str, Agent] | None = None,
    concurrency: int = CONCURRENCY,
    progress: Progress | None = None,
) -> RunSummary:
    """Plays an experiment, or what is left of it; see `run_async`."""
    return asyncio.run(
        run_async(experiment, folder, agents=agents, concurrency=concurrency, progress=progress)
    )


async def run_async(
    experiment: Experiment,
    folder: Path,
    *,
    agents: Mapping[str, Agent] | None = None,
    concurrency: int = CONCURRENCY,
    progress: Progress | None = None,
) -> RunSummary:
    """Plays an experiment, or what is left of it, and writes its leaderboard.

    Args:
        experiment: What to play.
        folder: The run folder. If it holds this experiment already, only what is missing is
            played: episodes begun go on at their next step, those in error are tried again.
        agents: Your own agents by name, beside the registered ones.
        concurrency: How many episodes play at once; changes nothing but the time it takes.
        progress: Is told of each step and episode.

    Raises:
        UsageError: The experiment cannot be played, or not in this folder. Nothing was made.
        StoreError: The folder cannot be written, or its store is damaged.
    """
    return await run_plan(
        make_plan(experiment, agents), folder, concurrency=concurrency, progress=progress
    )


async def run_plan(
    plan: Plan, folder: Path, *, concurrency: int = CONCURRENCY, progress: Progress | None = None
) -> RunSummary:
    """Plays a plan that was made already; otherwise as `run_async`."""
    with open_folder(folder, plan) as store:
        await _play(plan, store, concurrency, progress or _Silence())
        leaderboard = await asyncio.to_thread(make_leaderboard, store)
        counts, faults = store.counts(), store.faults()
    await asyncio.to_thread(_write_results, leaderboard, folder)
    return RunSummary(
        folder=folder,
        leaderboard=leaderboard,
        episodes=plan.episodes,
        errors=counts.get("error", 0),
        faults=faults,
        overlong=counts.get("overlong", 0),
        skipped=plan.skipped,
    )


def _write_results(leaderboard: Leaderboard, folder: Path) -> None:
    try:
        leaderboard.write(folder / LEADERBOARD)
        save_scores(leaderboard, folder / SCORES)
    except OSError as error:
        raise StoreError(f"cannot write the results into {folder}: {error}") from error


async def _play(plan: Plan, store: RunStore, concurrency: int, progress: Progress) -> None:
    write = StoreWriter(store)
    desk = Desk(
        seed=plan.experiment.seed,
        store=store,
        write=write,
        builder=_Builders(plan),
        progress=progress,
    )
    work = Work(plan, store, write)
    counts = store.counts()
    progress.resumed(counts.get("done", 0) + counts.get("overlong", 0), store.cost())

    async def worker() -> None:
        envs: dict[str, Any] = {}
        try:
            while (job := await work.next()) is not None:
                if recorded := find_recorded(job):
                    await enter_recorded(desk, job, recorded)
                    continue
                task = job.cell.task.task
                if task.name not in envs:
                    envs[task.name] = await call(task.slow, task.make_env)
                status = await Episode(desk, job, envs[task.name]).play()
                if status == "overlong":
                    work.give_up(job.cell)
        finally:
            for env in envs.values():
                env.close()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        # One fault stops all workers; the first is the cause, the others follow from it.
        raise errors.exceptions[0] from None
    finally:
        try:
            for agent in {cell.agent for cell in plan.cells}:
                await agent.close()
        finally:
            await write.close()


class _Builders:
    """Makes the prompt builders, one for each task, format and set of options."""

    def __init__(self, plan: Plan) -> None:
        self._template = plan.template
        self._made: dict[tuple[object, ...], PromptBuilder] = {}

    def __call__(self, cell: Cell) -> PromptBuilder:
        key = (cell.record.task, cell.record.format, cell.options)
        if key not in self._made:
            self._made[key] = PromptBuilder(
                cell.task.task, cell.record.format, self._template, cell.options
            )
        return self._made[key]
