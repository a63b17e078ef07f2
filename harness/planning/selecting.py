"""Which demonstrations a model is shown: the selector's choice, and its limits.

The choice is made once an episode or, where the selector says so, anew at each step: then it, and
what controls do to it, depend on the step as well, and on nothing that was chosen before it.
"""

from functools import partial
from typing import NamedTuple

from icil.harness.planning.cells import Cell
from icil.harness.planning.filling import Filling
from icil.harness.planning.leaks import Leaked, count_leaked
from icil.harness.planning.starts import Start
from icil.prompt_builders import Query, Selection
from icil.prompt_builders.controls import Scope
from icil.tasks import ContractError, Demonstration, Observation
from icil.tasks.seeding import generator

NOTHING = Selection(demonstrations=(), reasons=())


class Choice(NamedTuple):
    """What was chosen for an episode."""

    selection: Selection
    left_out: int = 0
    """How many demonstrations were not offered, for they show an opening of the episode's set."""
    leaked: Leaked = Leaked()
    """How many of those chosen show the episode's opening all the same."""


class Moment(NamedTuple):
    """A step for which demonstrations are chosen anew."""

    step: int
    """From 0."""
    observation: Observation
    """What is seen, in the cell's format."""


def choose(
    cell: Cell,
    start: Start,
    seed: int,
    filling: Filling | None = None,
    moment: Moment | None = None,
) -> Choice:
    """Lets the cell's selector choose; may take long, so call it in a thread.

    Args:
        cell: The cell.
        start: What the episode starts from.
        seed: The experiment's.
        filling: Fills the context of a cell that has a budget.
        moment: The step, for a selector that is asked at each.

    Raises:
        ContractError: The selector chose what it may not, or another number.
    """
    k, pool, forced = cell.record.demonstrations, cell.task.pool, start.forced
    asked = _Asked(cell, start, seed, moment)
    if filling is not None:
        assert pool is not None
        most = len(pool.demonstrations) - len(start.hidden)
        chosen = filling.choose(partial(_select, asked), most)
    elif k == 0:
        return Choice(NOTHING)
    elif forced and not cell.record.options.get("held_out"):
        chosen = _with_forced(_select(asked, k - 1), forced)
    else:
        chosen = _select(asked, k)
    shown = _alter(asked, chosen, filling)
    leaked = count_leaked(start.leak, cell.task.task, shown.demonstrations)
    return Choice(shown, 0 if forced else len(start.hidden), leaked)


class _Asked(NamedTuple):
    """What demonstrations are chosen for."""

    cell: Cell
    start: Start
    seed: int
    """The experiment's."""
    moment: Moment | None

    @property
    def who(self) -> tuple[int | str, ...]:
        """What stands for all that are shown the same demonstrations."""
        start = self.start
        shared = start.number if start.set is None else f"set {start.set}"
        return (shared,) if self.moment is None else (shared, f"step {self.moment.step}")


def _select(asked: _Asked, count: int) -> Selection:
    """Returns the selector's choice, checked."""
    cell, start, seed, moment = asked
    task, pool = cell.task.task.plain, cell.task.pool
    assert pool is not None
    query = Query(
        task=task,
        format=cell.record.format or cell.task.formats[0],
        opening=start.query,
        observation=None if moment is None else moment.observation,
    )
    # Whatever is done to them then, the same ones are chosen.
    selector = cell.record.selector.partition("+")[0]
    rng = generator("selection", seed, selector, task.name, task.version, *asked.who)
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


def _alter(asked: _Asked, chosen: Selection, filling: Filling | None = None) -> Selection:
    """Returns what was chosen as the cell's controls show it."""
    cell, start = asked.cell, asked.start
    if not cell.alterations:
        return chosen
    task, pool = cell.task.task.plain, cell.task.pool
    assert pool is not None
    scope = Scope(
        identity=(asked.seed, task.name, task.version, *asked.who),
        offered=pool.without(start.hidden),
        guarded=lambda: start.guarded,
    )
    for alteration in cell.alterations:
        chosen = alteration.alter(chosen, scope)
        if alteration.replaces and filling is not None:  # others may take more room
            chosen = filling.choose(partial(_first, chosen), len(chosen.ids))
    return chosen


def _first(chosen: Selection, count: int) -> Selection:
    return Selection(demonstrations=chosen.demonstrations[:count], reasons=chosen.reasons[:count])


def _with_forced(found: Selection, forced: Demonstration) -> Selection:
    """Puts the demonstration that is played again first, so that `replay` repeats it."""
    return Selection(
        demonstrations=(forced, *found.demonstrations),
        reasons=("the episode that is played again", *found.reasons),
    )
