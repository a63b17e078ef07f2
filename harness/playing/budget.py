"""The budget of a run: what it may spend, held before each request and settled after.

A request is only sent if even the most that it can take is left: its prompt, nothing of it
cached, and the longest reply. What is held for requests on their way is not spent yet: one
that does not fit beside them waits until they are settled. Prompts are counted here: a limit
can be passed by what the provider counts more, in the requests on their way at that moment.
"""

import asyncio
from dataclasses import dataclass

from icil.results import Usage
from icil.tasks.errors import ExperimentError

_MOST_USD = 1e12
"""No limit is higher; nor is one infinite, or no number."""


class OverBudgetError(Exception):
    """The next request might pass a limit: the run stops, and can be gone on with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that a run may take, what was spent before it was interrupted included.

    Raises:
        ExperimentError: A limit is none.
    """

    cost_usd: float | None = None
    """Requests without an answer are not in it: nobody says what they cost."""
    tokens: int | None = None
    """Input and output, cached input included."""

    def __post_init__(self) -> None:
        if self.cost_usd is not None and not 0 <= self.cost_usd <= _MOST_USD:
            raise ExperimentError(f"max_cost: expected US dollars, 0 or more, got {self.cost_usd}")
        if self.tokens is not None and self.tokens < 0:
            raise ExperimentError(f"max_tokens: expected 0 or more, got {self.tokens}")


class Purse:
    """What is left of a budget while a run goes on.

    Args:
        budget: The limits.
        cost_usd: Spent before.
        tokens: Taken before.
    """

    def __init__(self, budget: Budget, cost_usd: float = 0.0, tokens: int = 0) -> None:
        self._budget = budget
        self._cost, self._tokens = cost_usd, tokens
        self._held_cost, self._held_tokens = 0.0, 0
        self._settled = asyncio.Event()
        self.stopped: str | None = None
        """Why the run stopped, once it has."""

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self._budget != Budget()

    async def hold(self, most: Usage) -> None:
        """Holds what a request can take at most; waits while others hold too much.

        Raises:
            OverBudgetError: It would pass a limit, whatever comes of the others.
        """
        cost, tokens = most.cost_usd or 0.0, most.input_tokens + most.output_tokens
        while self.stopped is None and self._passes(cost, tokens, held=True):
            if self._passes(cost, tokens, held=False):
                self.stopped = self._explain(cost, tokens)
                self._settled.set()
                break
            self._settled.clear()
            await self._settled.wait()
        if self.stopped is not None:
            raise OverBudgetError(self.stopped)
        self._held_cost += cost
        self._held_tokens += tokens

    def settle(self, most: Usage, spent: Usage | None) -> None:
        """Gives back what was held, and takes what was spent; None if there was no reply."""
        self._held_cost -= most.cost_usd or 0.0
        self._held_tokens -= most.input_tokens + most.output_tokens
        if spent is not None:
            self._cost += spent.cost_usd or 0.0
            self._tokens += spent.input_tokens + spent.output_tokens
        self._settled.set()

    def _passes(self, cost: float, tokens: int, *, held: bool) -> bool:
        budget = self._budget
        if budget.cost_usd is not None:
            # A cent's millionth forgives what adding and taking away floats leaves behind.
            spent = self._cost + (self._held_cost if held else 0.0)
            if cost and spent + cost > budget.cost_usd + 1e-8:
                return True
        if budget.tokens is not None and tokens:
            return self._tokens + (self._held_tokens if held else 0) + tokens > budget.tokens
        return False

    def _explain(self, cost: float, tokens: int) -> str:
        budget = self._budget
        if budget.cost_usd is not None and self._cost + cost > budget.cost_usd + 1e-8:
            return (
                f"${self._cost:.4f} of ${budget.cost_usd:g} are spent, and the next request might "
                f"cost ${cost:.4f}"
            )
        return (
            f"{self._tokens} of {budget.tokens} tokens are used, and the next request might take "
            f"{tokens}"
        )
