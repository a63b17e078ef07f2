"""Which demonstrations an episode's model is shown: the selector's choice, and its limits."""

from typing import NamedTuple

from icil.harness.cells import Cell
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


def choose(cell: Cell, start: Start, seed: int) -> Choice:
    """Lets the cell's selector choose; may take long, so call it in a thread.

    Raises:
        ContractError: The selector chose what it may not, or another number.
    """
    k = cell.record.demonstrations
    if k == 0:
        return Choice(NOTHING)
    task, pool, forced = cell.task.task, cell.task.pool, start.forced
    assert pool is not None
    query = Query(task=task, format=cell.record.format, opening=start.query)
    who = start.number if start.set is None else f"set {start.set}"
    rng = generator("selection", seed, cell.record.selector, task.name, task.version, who)
    count = k - 1 if forced else k
    found = NOTHING
    if cell.selector is not None:
        found = cell.selector.select(pool.without(start.hidden), query, count, rng)
    allowed = pool.by_id.keys() - start.hidden
    if not len(found.ids) == len(set(found.ids)) == count or not allowed.issuperset(found.ids):
        raise ContractError(
            f"selector {cell.record.selector!r} was asked for {count} different demonstrations "
            f"of the pool and gave {len(found.ids)}: {', '.join(found.ids[:8])}"
        )
    if forced:
        return Choice(_with_forced(found, forced))
    return Choice(found, len(start.hidden))


def _with_forced(found: Selection, forced: Demonstration) -> Selection:
    """Puts the demonstration that is played again first, so that `replay` repeats it."""
    return Selection(
        demonstrations=(forced, *found.demonstrations),
        reasons=("the episode that is played again", *found.reasons),
    )
