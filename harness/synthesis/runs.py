"""The runs of a synthesis: whoever plays or judges does so through the runner, in run folders.

So what models say is on disk before it is used, the same call goes on where it was stopped, and
what was paid for is never paid for again. A run with nothing left to play is not begun: its
agents need not be there, nor their keys.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from icil.harness.agents import Agent
from icil.harness.folders.folder import check_folder
from icil.harness.planning.plan import Plan
from icil.harness.playing.budget import Budget
from icil.harness.playing.episode import Progress
from icil.harness.playing.runner import CONCURRENCY, UNLIMITED, RunSummary, run_plan
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks import IcilError


class IncompleteError(IcilError):
    """Episodes are missing; what was played is kept.

    Args:
        message: Which, and why.
        summary: How the run ended.
    """

    def __init__(self, message: str, summary: RunSummary) -> None:
        self.summary = summary
        super().__init__(message)


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a synthesis goes about it; with agents that answer the same, what comes out is too."""

    agents: Mapping[str, Agent] = field(default_factory=dict)
    """Your own by name, beside the registered ones."""
    concurrency: int = CONCURRENCY
    """Episodes at once, of an agent."""
    workers: int = 1
    """Processes in which a perturbed expert plays."""
    budget: Budget = UNLIMITED
    """The most that all runs together may take."""
    partial: bool = False
    """Whether episodes that are missing, for a fault or the budget, are done without."""
    agree: Callable[[Plan, Path], None] = lambda plan, folder: None
    """Is called before a run; raises if it is not to be."""
    progress: Callable[[Plan], AbstractContextManager[Progress | None]] = lambda plan: nullcontext()
    """Is told of each step and episode of a run."""
    tell: Telling = in_silence
    """Is told of other things that take long."""


class Runs:
    """The runs of one synthesis.

    Args:
        manner: How they are played.
    """

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self._spent: dict[Path, tuple[float, int]] = {}
        """By folder the dollars and tokens of runs that came before."""

    def play(self, plan: Plan, folder: Path) -> None:
        """Plays a run, or what is left of it.

        Raises:
            IncompleteError: Episodes are missing.
            UsageError: It cannot be played, or not in this folder.
            StoreError: The folder cannot be written, or its store is damaged.
        """
        check_folder(folder, plan)
        if _left(plan, folder):
            self.manner.agree(plan, folder)
            summary = self._run(plan, folder)
            if (missing := _left(plan, folder)) and not self.manner.partial:
                raise IncompleteError(_explain(plan, summary, missing), summary)
        self._spent[folder] = _taken(folder)

    def _run(self, plan: Plan, folder: Path) -> RunSummary:
        manner = self.manner
        with manner.progress(plan) as progress:
            running = run_plan(
                plan,
                folder,
                concurrency=manner.concurrency,
                budget=self._budget(),
                progress=progress,
            )
            return asyncio.run(running)

    def _budget(self) -> Budget:
        """Returns what the runs before have left."""
        dollars = sum(cost for cost, _ in self._spent.values())
        tokens = sum(count for _, count in self._spent.values())
        whole = self.manner.budget
        return Budget(
            cost_usd=None if whole.cost_usd is None else max(0.0, whole.cost_usd - dollars),
            tokens=None if whole.tokens is None else max(0, whole.tokens - tokens),
        )


def _left(plan: Plan, folder: Path) -> int:
    """Returns how many episodes are not done."""
    left = {(cell.record.hash, start.number) for cell in plan.cells for start in plan.starts(cell)}
    if (folder / FILE_NAME).exists():
        with closing(RunStore(folder / FILE_NAME, readonly=True)) as store:
            for hash, number in store.cells().items():
                ended = store.ended(number).items()
                left -= {(hash, opening) for opening, status in ended if status == "done"}
    return len(left)


def _taken(folder: Path) -> tuple[float, int]:
    with closing(RunStore(folder / FILE_NAME, readonly=True)) as store:
        return store.cost(), store.tokens()


def _explain(plan: Plan, summary: RunSummary, missing: int) -> str:
    agent = plan.cells[0].record.agent
    overlong = "its prompts do not fit its context" if summary.overlong else ""
    faults = (fault.why for fault in summary.faults)
    reasons = (*summary.stopped.values(), *faults, overlong)
    why = next(filter(None, reasons), "it was stopped")
    return (
        f"{missing} of {plan.episodes} episodes of {agent} are missing: {why}; what was played is "
        f"kept in {summary.folder}: the same command goes on, and with --partial does without them"
    )
