"""How far a plan is in a run folder: what of each cell is there, and what is left to play."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from icil.harness.planning.cells import Cell
from icil.harness.planning.plan import Plan
from icil.results import CellRecord, EpisodeStatus, RunStore
from icil.results.store import FILE_NAME

_EPISODES = """
SELECT c.hash, e.opening, e.status, e.message FROM cells c JOIN episodes e ON e.cell = c.id
"""


class Fault(NamedTuple):
    """What ended episodes of an agent in an error."""

    agent: str
    why: str
    episodes: int


class Misfit(NamedTuple):
    """A cell with a prompt that does not fit its model."""

    cell: CellRecord
    why: str
    """With the figures, of one of its episodes."""


@dataclass(frozen=True, kw_only=True)
class CellStanding:
    """How far a cell is."""

    cell: Cell
    episodes: int
    """How many the plan has of it."""
    counts: Mapping[EpisodeStatus, int]
    """How many of these there are of each status."""
    faults: Mapping[str, int]
    """Why some are in error, and how many."""
    overlong: str | None
    """Why a prompt does not fit; None where all do that were tried."""
    held: bool
    """Whether the folder holds the cell."""

    @property
    def done(self) -> int:
        """Episodes that are done."""
        return self.counts.get("done", 0)

    @property
    def left(self) -> int:
        """Episodes still to be played: none of a cell that was given up as overlong."""
        return 0 if self.counts.get("overlong") else self.episodes - self.done


@dataclass(frozen=True)
class Standing:
    """How far a plan is; other cells that the folder may hold do not count."""

    cells: tuple[CellStanding, ...]
    others: int = 0
    """How many cells the folder holds beside them."""

    @property
    def episodes(self) -> int:
        """In the whole plan."""
        return sum(one.episodes for one in self.cells)

    @property
    def left(self) -> int:
        """Episodes still to be played."""
        return sum(one.left for one in self.cells)

    @cached_property
    def counts(self) -> Counter[EpisodeStatus]:
        """How many episodes there are of each status."""
        return sum((Counter(one.counts) for one in self.cells), Counter())

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The reasons of errors, the commonest first."""
        found: Counter[tuple[str, str]] = Counter()
        for one in self.cells:
            for why, count in one.faults.items():
                found[one.cell.record.agent, why] += count
        ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Fault(agent, why, count) for (agent, why), count in ordered)

    @property
    def misfits(self) -> tuple[Misfit, ...]:
        """The cells with a prompt that does not fit their model, in the plan's order."""
        return tuple(
            Misfit(one.cell.record, one.overlong) for one in self.cells if one.overlong is not None
        )


def find_standing(plan: Plan, folder: Path) -> Standing:
    """Returns how far a plan is in a folder, in which there may be nothing yet.

    Raises:
        StoreError: Its store is damaged.
    """
    if not (folder / FILE_NAME).exists():
        return read_standing(plan, None)
    with closing(RunStore(folder / FILE_NAME, readonly=True)) as store:
        return read_standing(plan, store)


def read_standing(plan: Plan, store: RunStore | None) -> Standing:
    """Returns how far a plan is in a store; None where there is none yet."""
    held = store.cells() if store else {}
    episodes: dict[str, dict[int, tuple[EpisodeStatus, str | None]]] = {}
    for cell, opening, status, message in store.rows(_EPISODES)[1] if store else ():
        episodes.setdefault(cell, {})[opening] = status, message
    openings: dict[str, list[int]] = {}
    found = []
    for cell in plan.cells:
        name, hash = cell.record.task, cell.record.hash
        if name not in openings:  # all of a task's cells start from the same
            openings[name] = [start.number for start in plan.starts(cell)]
        there = episodes.get(hash, {})
        mine = [there[number] for number in openings[name] if number in there]
        found.append(
            CellStanding(
                cell=cell,
                episodes=len(openings[name]),
                counts=Counter(status for status, _ in mine),
                faults=Counter(why or "" for status, why in mine if status == "error"),
                overlong=next((why or "" for status, why in mine if status == "overlong"), None),
                held=hash in held,
            )
        )
    return Standing(tuple(found), len(held.keys() - {cell.record.hash for cell in plan.cells}))
