"""Context budgets: as many demonstrations as fit into so many tokens.

What the episode itself may need is reserved first: the preamble, the question, the longest
reply, and for each step up to the horizon the longest observation and action seen in a sample
of the pool. The rest is filled in the selector's order. Tokens are counted as the agent counts
them; for one that has no tokens (`nearest`), with a common table, so that the same budget gives
it about the same demonstrations.
"""

from collections.abc import Callable
from functools import cached_property, partial

from icil.harness.agents import Agent
from icil.harness.planning.cells import Cell
from icil.prompt_builders import Part, PromptBuilder, Selection
from icil.tasks import Demonstration, replay

_SAMPLE = 8
"""Demonstrations in which the longest step is looked for."""

Select = Callable[[int], Selection]
"""Chooses so many demonstrations."""


class Filling:
    """Fills the budget of one cell.

    Args:
        cell: The cell, which has a budget.
        builder: Makes its prompts.
    """

    def __init__(self, cell: Cell, builder: PromptBuilder) -> None:
        assert cell.record.context_tokens is not None
        self._cell, self._builder = cell, builder
        self._budget = cell.record.context_tokens
        self._count = _counter(cell.agent)
        self._sizes: dict[str, tuple[Demonstration, int]] = {}

    def choose(self, select: Select, most: int) -> Selection:
        """Returns as many demonstrations as fit, at most so many; may take long.

        Args:
            select: The selector's choice of a number; of a nested selector the first few of
                many are the few.
            most: How many there are to choose from.
        """
        assert self._cell.selector is not None
        room = self._budget - self._reserved
        if self._cell.selector.nested:
            chosen = select(most)
            return _first(chosen, self._fitting(chosen, room))
        number = min(most, max(0, room) // max(1, self._usual))
        while number > 0:
            chosen = select(number)
            fitting = self._fitting(chosen, room)
            if fitting == len(chosen.ids):
                return chosen
            number = min(number - 1, fitting)
        return select(0)

    def _fitting(self, chosen: Selection, room: int) -> int:
        """Returns how many of the first demonstrations fit together."""
        number, left = 0, room
        for demonstration in chosen.demonstrations:
            left -= self._size(demonstration)
            if left < 0:
                break
            number += 1
        # Sizes do not quite add up: numbers of demonstrations have more and more digits.
        while number and self._tokens(chosen.demonstrations[:number]) > room + self._frame:
            number -= 1
        return number

    def _size(self, demonstration: Demonstration) -> int:
        """Returns the tokens that a demonstration adds to a prompt."""
        known = self._sizes.get(demonstration.id)
        if known is None or known[0] is not demonstration:
            size = self._tokens((demonstration,)) - self._frame
            known = self._sizes[demonstration.id] = (demonstration, size)
        return known[1]

    def _tokens(self, demonstrations: tuple[Demonstration, ...]) -> int:
        reasons = ("",) * len(demonstrations)
        selection = Selection(demonstrations=demonstrations, reasons=reasons)
        return sum(map(self._count, self._builder.prefix(selection).parts))

    @cached_property
    def _frame(self) -> int:
        """The tokens of a prefix around its demonstrations."""
        two = self._sample[:2]
        if len(two) < 2:
            return self._tokens(())
        return sum(self._tokens((one,)) for one in two) - self._tokens(two)

    @cached_property
    def _usual(self) -> int:
        """The mean size of the sampled demonstrations, in tokens."""
        return sum(map(self._size, self._sample)) // len(self._sample)

    @property
    def _sample(self) -> tuple[Demonstration, ...]:
        assert self._cell.task.pool is not None
        return self._cell.task.pool.demonstrations[:_SAMPLE]

    @cached_property
    def _reserved(self) -> int:
        """The tokens that an episode may need beside its demonstrations."""
        task, builder, format = self._cell.task.task, self._builder, self._builder.format
        step = question = 0
        for demonstration in self._sample:
            for env, action in replay(task, demonstration):
                seen = builder.observation(task.observe(env, format))
                step = max(step, sum(map(self._count, (*seen, builder.action(action)))))
                legal = task.legal_actions(env) if builder.options.legal_actions else None
                asked = builder.tail(builder.prefix(_NOTHING)).question(legal).question
                question = max(question, sum(map(self._count, asked)))
        return self._frame + task.horizon * step + question + self._cell.agent.longest_reply


def find_filling(
    cell: Cell, builder: Callable[[Cell], PromptBuilder], known: dict[str, Filling]
) -> Filling | None:
    """Returns what fills the budget of a cell, made once; None for a cell without one."""
    if cell.record.context_tokens is None:
        return None
    if cell.record.hash not in known:
        known[cell.record.hash] = Filling(cell, builder(cell))
    return known[cell.record.hash]


_NOTHING = Selection(demonstrations=(), reasons=())


def _first(chosen: Selection, count: int) -> Selection:
    return Selection(demonstrations=chosen.demonstrations[:count], reasons=chosen.reasons[:count])


def _counter(agent: Agent) -> Callable[[Part], int]:
    if type(agent).tokens is not Agent.tokens:
        return agent.tokens
    from icil.harness.models.tables.tokens import count_tokens

    return partial(count_tokens, provider="", model="")
