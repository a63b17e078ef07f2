"""The relevance selector: the demonstrations nearest to the episode's opening.

Retrieval of similar examples after Liu et al. 2022 (arXiv 2101.06804); so compared in Revisiting
In-Context Learning (arXiv 2412.16926).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from icil.prompt_builders.embeddings.embedding import Embedding
from icil.prompt_builders.selectors.ranking import arrange, check_count, check_order, largest
from icil.prompt_builders.selectors.selector import NOTHING, Query, Selection, Selector
from icil.prompt_builders.selectors.view import AUTO, View
from icil.tasks import Pool, Task


class RelevanceSelector(Selector):
    """Takes those nearest to the episode's opening, by cosine of embeddings.

    Args:
        order: `selected` or `descending`: the nearest first; `ascending`, `shuffled`.
        embedding: An embedding, its name, or `auto` for what suits the format.
        of: What stands for a demonstration: `opening` or `episode`.

    Raises:
        UsageError: There is no such order, embedding or part.
    """

    def __init__(
        self, *, order: str = "selected", embedding: str | Embedding = AUTO, of: str = "opening"
    ) -> None:
        self._order, self._view = check_order(order), View(embedding, of)
        self.nested = self._order in ("selected", "descending")

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides the choice."""
        return {"order": self._order, **self._view.settings}

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that the embedding takes what the format shows; see `Selector.check`."""
        self._view.check(task, format, pool)

    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns the `k` nearest; see `Selector.select`."""
        check_count(pool, k)
        if k == 0:
            return NOTHING
        offer = self._view.offer(pool, query)
        near = largest(offer.similarity, k)
        chosen = [near[i] for i in arrange(near, self._order, lambda: offer.similarity, rng)]
        alike = "; all demonstrations look alike" if offer.index.alike else ""
        return Selection(
            demonstrations=offer.demonstrations(chosen),
            reasons=tuple(
                f"similarity {offer.similarity[i]:.2f} to the opening{alike}" for i in chosen
            ),
        )
