"""The runner: plays the episodes of an experiment, many at once, on one event loop.

Nothing that it does depends on how many play at once, in which order they end, or how
often the run was interrupted: every episode is a function of the experiment. One thread
writes the store; rendering a prefix and slow experts have threads of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from icil.harness.agents import Agent
from icil.harness.agents.model import ModelAgent
from icil.harness.estimates.usage_history import ModelName, model_name, remember
from icil.harness.folders.folder import LEADERBOARD, check_folder, open_folder
from icil.harness.folders.recognising import check_recognised
from icil.harness.folders.standing import (
    Fault,
    Misfit,
    Standing,
    find_standing,
    read_standing,
)
from icil.harness.folders.widening import Widening
from icil.harness.models import Tokens
from icil.harness.planning.builders import Builders
from icil.harness.planning.cells import Cell
from icil.harness.planning.experiment import Experiment
from icil.harness.planning.fitting import find_misfit
from icil.harness.planning.plan import Plan, make_plan
from icil.harness.planning.starts import Start
from icil.harness.playing.budget import Budget, OverBudgetError, Purse
from icil.harness.playing.episode import Desk, Episode, Progress
from icil.harness.playing.recorded import enter_recorded, find_recorded
from icil.harness.playing.rehearsal import rehearse
from icil.harness.playing.work import Work
from icil.harness.playing.writer import StoreWriter
from icil.harness.threads import call
from icil.results import (
    EpisodeStatus,
    Leaderboard,
    RunStore,
    Usage,
    make_leaderboard,
    open_run,
)
from icil.tasks.errors import ExperimentError, StoreError

CONCURRENCY = 16
"""How many episodes play at once unless told otherwise."""
UNLIMITED = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How a run ended."""

    folder: Path
    leaderboard: Leaderboard
    episodes: int
    """Of what was asked for, those of the reference players included."""
    errors: int
    """Episodes that a fault ended; the same command tries them again."""
    faults: tuple[Fault, ...]
    """Those faults by agent, with how many episodes each ended, the commonest first."""
    overlong: int
    """Episodes whose prompt does not fit its model."""
    misfits: tuple[Misfit, ...]
    """The cells that they are of, with the figures."""
    stopped: Mapping[str, str]
    """Agents that could not go on (a refused key) and why; under the empty name, why the whole
    run stopped at its budget. The same command goes on."""
    skipped: tuple[str, ...]
    """What was asked for and could not be played, such as images for an agent without eyes."""
    unchanged: bool = field(default=False, compare=False)
    """Whether all of it was there already."""


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
    budget: Budget = UNLIMITED,
    progress: Progress | None = None,
) -> RunSummary:
    """Plays an experiment, or what is left of it; see `run_async`."""
    return asyncio.run(
        run_async(
            experiment,
            folder,
            agents=agents,
            concurrency=concurrency,
            budget=budget,
            progress=progress,
        )
    )


async def run_async(
    experiment: Experiment,
    folder: Path,
    *,
    agents: Mapping[str, Agent] | None = None,
    concurrency: int = CONCURRENCY,
    budget: Budget = UNLIMITED,
    progress: Progress | None = None,
) -> RunSummary:
    """Plays an experiment, or what is left of it, and writes its leaderboard.

    Args:
        experiment: What to play.
        folder: The run folder. What it holds of this experiment is not played again: episodes
            begun go on at their next step, those in error are tried again. What it holds of
            another one stays, where both can be in one folder; the leaderboard is that of all.
        agents: Your own agents by name, beside the registered ones.
        concurrency: How many episodes of an agent that waits for a server, and of all others
            together, play at once; changes nothing but the time it takes.
        budget: The most that the run may spend; it stops before a request that might pass it.
        progress: Is told of each step and episode.

    Raises:
        UsageError: The experiment cannot be played, or not in this folder. Nothing was made.
        StoreError: The folder cannot be written, or its store is damaged.
    """
    return await run_plan(
        make_plan(experiment, agents),
        folder,
        concurrency=concurrency,
        budget=budget,
        progress=progress,
    )


async def run_plan(
    plan: Plan,
    folder: Path,
    *,
    concurrency: int = CONCURRENCY,
    budget: Budget = UNLIMITED,
    progress: Progress | None = None,
) -> RunSummary:
    """Plays a plan that was made already; otherwise as `run_async`."""
    widening = check_folder(folder, plan, widening=True)
    standing = await asyncio.to_thread(find_standing, plan, folder)
    nothing = not (standing.left or widening is None or widening.changes)
    unpriced = [cell.record.agent for cell in plan.cells if not cell.agent.priced]
    if budget.cost_usd is not None and unpriced:
        raise ExperimentError(
            f"the price of {unpriced[0]} is not known, so that its cost cannot be limited; give "
            "it in a file with --prices"
        )
    async with _prepared(standing):
        await call(True, _try_out, plan, folder, widening)
        with open_folder(folder, plan) as store:
            stopped = await _play(plan, store, concurrency, progress or _Silence(), budget)
            await asyncio.to_thread(remember, store, _rerouted(plan))
            leaderboard = await asyncio.to_thread(make_leaderboard, store)
            standing = await asyncio.to_thread(read_standing, plan, store)
    await asyncio.to_thread(_write_results, leaderboard, folder)
    return RunSummary(
        folder=folder,
        leaderboard=leaderboard,
        episodes=standing.episodes,
        errors=standing.counts["error"],
        faults=standing.faults,
        overlong=standing.counts["overlong"],
        misfits=standing.misfits,
        stopped=stopped,
        skipped=plan.skipped,
        unchanged=nothing,
    )


def _try_out(plan: Plan, folder: Path, widening: Widening | None) -> None:
    """Tries out what is new before it is written or sent."""
    new = plan.cells if widening is None else widening.new
    if new:
        rehearse(replace(plan, cells=new))
    if widening is not None and widening.changes:
        with closing(open_run(folder)) as store:
            check_recognised(plan, store, folder)


def _rerouted(plan: Plan) -> frozenset[ModelName]:
    """Returns the models in whose place another answered, so that it tells nothing of them."""
    agents = {cell.record.agent: cell.agent for cell in plan.cells}
    found = (n for n, one in agents.items() if isinstance(one, ModelAgent) and one.rerouted)
    return frozenset(map(model_name, found))


@asynccontextmanager
async def _prepared(standing: Standing) -> AsyncIterator[None]:
    """Prepares the agents that play; closes all that were prepared, whatever happens."""
    async with AsyncExitStack() as stack:
        for agent in dict.fromkeys(one.cell.agent for one in standing.cells if one.left):
            await agent.prepare()
            stack.push_async_callback(agent.close)
        yield


def _write_results(leaderboard: Leaderboard, folder: Path) -> None:
    try:
        leaderboard.write(folder / LEADERBOARD)
    except OSError as error:
        raise StoreError(f"cannot write the results into {folder}: {error}") from error


async def _play(
    plan: Plan, store: RunStore, concurrency: int, progress: Progress, budget: Budget
) -> Mapping[str, str]:
    """Plays what is left; returns the agents that were stopped, and why."""
    write = StoreWriter(store)
    purse = Purse(budget, store.cost() + _unpriced_cost(plan, store), store.tokens())
    desk = Desk(
        seed=plan.experiment.seed,
        store=store,
        write=write,
        builder=Builders(plan.template),
        progress=progress,
        purse=purse,
        reader=plan.experiment.parse,
    )
    counts = read_standing(plan, store).counts
    progress.resumed(counts["done"] + counts["overlong"], store.cost())
    stopped: dict[str, str] = {}

    async def misfit(cell: Cell, starts: Sequence[Start]) -> Start | None:
        return await find_misfit(cell, starts, desk.seed, desk.builder(cell), desk.sizes)

    async def worker(work: Work) -> None:
        envs: dict[str, Any] = {}
        try:
            while (job := await work.next()) is not None:
                if recorded := find_recorded(job):
                    await enter_recorded(desk, job, recorded)
                    continue
                task = job.cell.task.task
                if task.name not in envs:
                    envs[task.name] = await call(task.slow, task.make_env)
                episode = Episode(desk, job, envs[task.name])
                if await episode.play() == "overlong":
                    work.give_up(job.cell)
                if episode.fatal is not None:
                    stopped.setdefault(job.cell.record.agent, episode.fatal)
                    work.give_up_agent(job.cell.record.agent)
        except OverBudgetError:
            pass  # its episode goes on when the run does
        finally:
            for env in envs.values():
                env.close()

    try:
        async with asyncio.TaskGroup() as group:
            for cells in _queues(plan):
                work = Work(plan, cells, store, write, misfit)
                for _ in range(concurrency):
                    group.create_task(worker(work))
    except BaseExceptionGroup as errors:
        # One fault stops all workers; the first is the cause, the others follow from it.
        raise errors.exceptions[0] from None
    finally:
        await write.close()
    if purse.stopped is not None:
        stopped[""] = purse.stopped
    return stopped


_UNPRICED = """
SELECT c.agent, s.input_tokens, s.cached_input_tokens, s.cache_write_tokens, s.output_tokens,
       s.reasoning_tokens
FROM steps s JOIN episodes e ON e.id = s.episode JOIN cells c ON c.id = e.cell
WHERE s.cost_usd IS NULL
"""


def _unpriced_cost(plan: Plan, store: RunStore) -> float:
    """Returns what calls cost, in dollars, that were made when their price was not yet known."""
    agents = {cell.record.agent: cell.agent for cell in plan.cells}
    cost = 0.0
    for name, input_, cached, written, output, reasoning in store.rows(_UNPRICED)[1]:
        agent = agents.get(name)
        if isinstance(agent, ModelAgent) and agent.price is not None:
            taken = Tokens(
                input=input_,
                cached=cached,
                cache_write=written,
                output=output,
                reasoning=reasoning,
            )
            cost += agent.price.cost(taken)
    return cost


def _queues(plan: Plan) -> Iterable[Sequence[Cell]]:
    """Returns the cells in queues that are played side by side: one for each waiting agent."""
    queues: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        queues.setdefault(cell.record.agent if cell.agent.waits else "", []).append(cell)
    return queues.values()
