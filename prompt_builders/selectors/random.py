"""The random selector: uniform, without replacement, nested (LMAct, arXiv 2412.01441)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from icil.prompt_builders.embeddings.embedding import Embedding
from icil.prompt_builders.selectors.ranking import arrange, check_count, check_order
from icil.prompt_builders.selectors.selector import Query, Selection, Selector
from icil.prompt_builders.selectors.view import AUTO, View
from icil.tasks import Pool, Task


class RandomSelector(Selector):
    """Shuffles the pool and takes the first.

    Args:
        order: `selected`, as drawn; `ascending` or `descending` by similarity to the opening;
            `shuffled`.
        embedding: Tells how similar they are: an embedding, its name, or `auto`.
        of: What stands for a demonstration then: `opening` or `episode`.

    Raises:
        UsageError: There is no such order, embedding or part.
    """

    def __init__(
        self, *, order: str = "selected", embedding: str | Embedding = AUTO, of: str = "opening"
    ) -> None:
        self._order, self._view = check_order(order), View(embedding, of)
        self._sorts = self._order in ("ascending", "descending")
        self.nested = self._order == "selected"

    @property
    def settings(self) -> Mapping[str, Any]:
        """The order, if it is not that of the draw, and what it goes by."""
        if self.nested:
            return {}
        return {"order": self._order, **(self._view.settings if self._sorts else {})}

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that the embedding, if needed, takes what is shown; see `Selector.check`."""
        if self._sorts:
            self._view.check(task, format, pool)

    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns the first `k` of a random order; see `Selector.select`."""
        check_count(pool, k)
        drawn = [int(place) for place in rng.permutation(len(pool.demonstrations))[:k]]
        if self._sorts and k:
            return self._sorted(pool, query, drawn, rng)
        chosen = [drawn[i] for i in arrange(drawn, self._order, lambda: np.zeros(0), rng)]
        return Selection(
            demonstrations=tuple(pool.demonstrations[place] for place in chosen),
            reasons=("drawn uniformly",) * k,
        )

    def _sorted(
        self, pool: Pool, query: Query, drawn: list[int], rng: np.random.Generator
    ) -> Selection:
        offer = self._view.offer(pool, query)
        number = np.argsort(offer.places)
        found = [int(number[place]) for place in drawn]
        chosen = [found[i] for i in arrange(found, self._order, lambda: offer.similarity, rng)]
        return Selection(
            demonstrations=offer.demonstrations(chosen),
            reasons=tuple(
                f"drawn uniformly; similarity {offer.similarity[i]:.2f} to the opening"
                for i in chosen
            ),
        )
