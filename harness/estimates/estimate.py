"""The estimate of a plan: what its cells will take, and which of them do not fit.

Prompts are made as a run makes them, and counted; nothing is sent and no key is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from icil.harness.estimates.amounts import NOTHING, Amounts, Range
from icil.harness.estimates.cell import CellEstimate, Estimator
from icil.harness.estimates.finished import Finished, find_finished
from icil.harness.estimates.profile import ModelProfile, profile_of
from icil.harness.estimates.usage_history import Entry, recall, summarise
from icil.harness.folders.folder import check_folder
from icil.harness.planning.plan import Plan
from icil.results import open_run
from icil.results.store import FILE_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a plan will take."""

    cells: tuple[CellEstimate, ...]
    """Those that ask a model; the others cost nothing."""
    concurrency: int
    wall_s: float
    """How long what is left will take, in seconds, counting nothing but waiting for models."""
    skipped: tuple[str, ...]
    """What was asked for and cannot be played."""

    @property
    def total(self) -> Range:
        """Of all cells, finished episodes included."""
        return sum((cell.range for cell in self.cells), Range())

    @property
    def spent(self) -> Amounts:
        """What was taken already."""
        return sum((cell.spent for cell in self.cells), NOTHING)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The agents whose price is not known; what they cost is in no sum."""
        return tuple(dict.fromkeys(cell.cell.agent for cell in self.cells if not cell.priced))


def make_estimate(
    plan: Plan,
    *,
    concurrency: int,
    folder: Path | None = None,
    profiles: Mapping[str, ModelProfile] | None = None,
) -> Estimate:
    """Estimates what a plan will take.

    Args:
        plan: The plan.
        concurrency: How many episodes of each model play at once.
        folder: The run's folder, if there is one: what it holds is not estimated.
        profiles: Of agents by name, in place of what is known of them.

    Raises:
        RunFolderError: The folder holds another experiment.
        StoreError: Its store is damaged.
    """
    models = _models(plan, profiles or {})
    history = recall(profile.name for profile in models.values())
    finished: Mapping[str, Finished] = {}
    if folder is not None and (folder / FILE_NAME).exists():
        check_folder(folder, plan, widening=True)
        finished, entries = _read(folder, plan, models)
        history = history.joined(entries)
    estimator = Estimator(plan, history, finished)
    asking = [cell for cell in plan.cells if cell.record.agent in models]
    cells = tuple(estimator.estimate(cell, models[cell.record.agent]) for cell in asking)
    return Estimate(
        cells=cells,
        concurrency=concurrency,
        wall_s=max((_wall_s(cells, name, concurrency) for name in models), default=0.0),
        skipped=plan.skipped,
    )


def _models(plan: Plan, given: Mapping[str, ModelProfile]) -> dict[str, ModelProfile]:
    found: dict[str, ModelProfile] = {}
    for name, agent in {cell.record.agent: cell.agent for cell in plan.cells}.items():
        profile = given[name] if name in given else profile_of(name, agent)
        if profile is not None:
            found[name] = profile
    return found


def _read(
    folder: Path, plan: Plan, models: Mapping[str, ModelProfile]
) -> tuple[Mapping[str, Finished], Sequence[Entry]]:
    """Returns what a folder holds of each cell, and what its models took."""
    prices = {
        cell.record.hash: models[cell.record.agent].price
        for cell in plan.cells
        if cell.record.agent in models
    }
    store = open_run(folder)
    try:
        return find_finished(store, prices), summarise(store)
    finally:
        store.close()


def _wall_s(cells: Sequence[CellEstimate], agent: str, concurrency: int) -> float:
    """Returns how long the episodes of one agent take; agents play side by side."""
    mine = [cell for cell in cells if cell.cell.agent == agent]
    left = sum(cell.episodes - cell.finished for cell in mine)
    seconds = sum(c.range.expected.latency_s - c.spent.latency_s for c in mine)
    return max(0.0, seconds) / min(concurrency, max(1, left))
