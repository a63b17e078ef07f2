"""The work of a run: the episodes still to be played, handed out one by one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from icil.harness.planning.cells import Cell
from icil.harness.planning.plan import Plan
from icil.harness.planning.starts import Start
from icil.results import RunStore


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An episode to be played."""

    cell: Cell
    number: int
    """The cell's number in the store."""
    start: Start


class Work:
    """Hands out the jobs of a plan, cell by cell and opening by opening.

    A cell with an overlong episode is given up: it has no score, whatever the others bring. One
    that is known beforehand is the only one that is handed out.

    Args:
        plan: The plan.
        cells: Those of its cells that are to be played.
        store: The run's store; asked through `write`, on its own thread.
        write: Runs a function of the store.
        misfit: Returns which of a cell's episodes is known not to fit its model, if any.
    """

    def __init__(
        self,
        plan: Plan,
        cells: Iterable[Cell],
        store: RunStore,
        write: Callable[[Callable[[], Any]], Awaitable[Any]],
        misfit: Callable[[Cell, Sequence[Start]], Awaitable[Start | None]],
    ) -> None:
        self._plan, self._store, self._write, self._misfit = plan, store, write, misfit
        self._numbers = store.cells()
        self._cells = iter(cells)
        self._jobs: Iterator[Job] = iter(())
        self._given_up: set[str] = set()
        self._lock = asyncio.Lock()

    async def next(self) -> Job | None:
        """Returns the next job; None when there are no more."""
        async with self._lock:
            while True:
                for job in self._jobs:
                    if not self._is_given_up(job.cell):
                        return job
                cell = next(self._cells, None)
                if cell is None:
                    return None
                number = self._numbers[cell.record.hash]
                ended = await self._write(partial(self._store.ended, number))
                if "overlong" in ended.values():
                    self.give_up(cell)
                if self._is_given_up(cell):
                    continue
                left = [one for one in self._plan.starts(cell) if one.number not in ended]
                misfit = await self._misfit(cell, left)
                starts = left if misfit is None else [misfit]
                self._jobs = iter([Job(cell, number, start) for start in starts])

    def _is_given_up(self, cell: Cell) -> bool:
        return not self._given_up.isdisjoint((cell.record.hash, cell.record.agent))

    def give_up(self, cell: Cell) -> None:
        """Hands out no more jobs of a cell."""
        self._given_up.add(cell.record.hash)

    def give_up_agent(self, name: str) -> None:
        """Hands out no more jobs of an agent."""
        self._given_up.add(name)
