"""Which demonstrations an episode's model is shown: the selector's choice, and its limits."""

from contextlib import closing
from functools import partial
from typing import NamedTuple

from icil.harness.cells import Cell
from icil.harness.filling import Filling
from icil.harness.starts import Start
from icil.prompt_builders import Query, Selection
from icil.prompt_builders.controls import Scope
from icil.tasks import ContractError, Demonstration
from icil.tasks.demonstrations import state_digest
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
        return Choice(_alter(cell, start, seed, chosen, filling), len(start.hidden))
    if k == 0:
        return Choice(NOTHING)
    if forced:
        chosen = _with_forced(_select(cell, start, seed, k - 1), forced)
        return Choice(_alter(cell, start, seed, chosen))
    return Choice(_alter(cell, start, seed, _select(cell, start, seed, k)), len(start.hidden))


def _select(cell: Cell, start: Start, seed: int, count: int) -> Selection:
    """Returns the selector's choice, checked."""
    task, pool = cell.task.task.plain, cell.task.pool
    assert pool is not None
    query = Query(task=task, format=cell.record.format, opening=start.query)
    # Whatever is done to them then, the same ones are chosen.
    selector = cell.record.selector.partition("+")[0]
    rng = generator("selection", seed, selector, task.name, task.version, _who(start))
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


def _who(start: Start) -> int | str:
    """Returns what stands for the episodes that are shown the same demonstrations."""
    return start.number if start.set is None else f"set {start.set}"


def _alter(
    cell: Cell, start: Start, seed: int, chosen: Selection, filling: Filling | None = None
) -> Selection:
    """Returns what was chosen as the cell's controls show it."""
    if not cell.alterations:
        return chosen
    task, pool = cell.task.task.plain, cell.task.pool
    assert pool is not None
    scope = Scope(
        identity=(seed, task.name, task.version, _who(start)),
        offered=pool.without(start.hidden),
        guarded=partial(_guarded, cell, start),
    )
    for alteration in cell.alterations:
        chosen = alteration.alter(chosen, scope)
        if alteration.replaces and filling is not None:  # others may take more room
            chosen = filling.choose(partial(_first, chosen), len(chosen.ids))
    return chosen


def _guarded(cell: Cell, start: Start) -> frozenset[str]:
    """Returns the digests of the openings that no demonstration may pass through."""
    if start.forced:
        return frozenset()
    openings = [start.opening]
    if start.set is not None:
        openings = list(cell.task.openings[start.set :: cell.demo_sets])
    digests: set[str] = set()
    with closing(cell.task.task.make_env()) as env:
        for opening in openings:
            cell.task.task.reset(env, opening)
            digests.add(state_digest(cell.task.task, env))
    return frozenset(digests)


def _first(chosen: Selection, count: int) -> Selection:
    return Selection(demonstrations=chosen.demonstrations[:count], reasons=chosen.reasons[:count])


def _with_forced(found: Selection, forced: Demonstration) -> Selection:
    """Puts the demonstration that is played again first, so that `replay` repeats it."""
    return Selection(
        demonstrations=(forced, *found.demonstrations),
        reasons=("the episode that is played again", *found.reasons),
    )
