"""Which demonstrations an episode's model is shown: the selector's choice, and its limits."""

from typing import NamedTuple

from icil.harness.cells import Cell
from icil.harness.filling import Filling
from icil.harness.starts import Start
from icil.prompt_builders import Query, Selection
from icil.tasks import ContractError, Demonstration
from icil.tasks.seeding import generator

NOTHING = Selection(demonstrations=(), reasons=())


class Choice(NamedTuple):
    """What was chosen for an episode."""

    selection: Selection
    left_out: int = 0
    """How many demonstrations were not offered, for they show an opening of the episode's set."""


def choose(cell: Cell, start: Start, seed: int, filling: Filling | None = None) -> Choice:
    """Lets the cell's selector choose; may take long, so call it in a thread.

    Args:
        cell: The cell.
        start: What the episode starts from.
        seed: The experiment's.
        filling: Fills the context of a cell that has a budget.

    Raises:
        ContractError: The selector chose what it may not, or another number.
    """
    k, pool, forced = cell.record.demonstrations, cell.task.pool, start.forced
    if filling is not None:
        assert pool is not None
        most = len(pool.demonstrations) - len(start.hidden)
        chosen = filling.choose(lambda count: _select(cell, start, seed, count), most)
        return Choice(chosen, len(start.hidden))
    if k == 0:
        return Choice(NOTHING)
    if forced:
        return Choice(_with_forced(_select(cell, start, seed, k - 1), forced))
    return Choice(_select(cell, start, seed, k), len(start.hidden))


def _select(cell: Cell, start: Start, seed: int, count: int) -> Selection:
    """Returns the selector's choice, checked."""
    task, pool = cell.task.task, cell.task.pool
    assert pool is not None
    query = Query(task=task, format=cell.record.format, opening=start.query)
    who = start.number if start.set is None else f"set {start.set}"
    rng = generator("selection", seed, cell.record.selector, task.name, task.version, who)
    found = NOTHING
    if cell.selector is not None:
        found = cell.selector.select(pool.without(start.hidden), query, count, rng)
    allowed = pool.by_id.keys() - start.hidden
    if not len(found.ids) == len(set(found.ids)) == count or not allowed.issuperset(found.ids):
        raise ContractError(
            f"selector {cell.record.selector!r} was asked for {count} different demonstrations "
            f"of the pool and gave {len(found.ids)}: {', '.join(found.ids[:8])}"
        )
    return found


def _with_forced(found: Selection, forced: Demonstration) -> Selection:
    """Puts the demonstration that is played again first, so that `replay` repeats it."""
    return Selection(
        demonstrations=(forced, *found.demonstrations),
        reasons=("the episode that is played again", *found.reasons),
    )
