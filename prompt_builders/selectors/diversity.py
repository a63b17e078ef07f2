"""The diversity selectors: demonstrations that differ from each other and stand for the pool.

kmeans             as many clusters as are asked for (MacQueen 1967; seeded by k-means++, Arthur &
                   Vassilvitskii 2007), and of each the one nearest to its centre; as compared
                   in Revisiting In-Context Learning (arXiv 2412.16926)
kcenter            one at random, then always the one farthest from all chosen (Gonzalez 1985)
mmr                maximal marginal relevance: similar to the opening, unlike the chosen
                   (Carbonell & Goldstein 1998)
facility_location  greedily, so that each of the pool has one alike among the chosen (Cornuéjols,
                   Fisher & Nemhauser 1977; Lin & Bilmes 2011); lazily (Minoux 1978)
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from icil.prompt_builders.embeddings.embedding import Embedding
from icil.prompt_builders.selectors.clusters import pick_from_clusters
from icil.prompt_builders.selectors.facilities import place_facilities
from icil.prompt_builders.selectors.options import one_of, share
from icil.prompt_builders.selectors.ranking import arrange, check_count, check_order
from icil.prompt_builders.selectors.selector import NOTHING, Query, Selection, Selector
from icil.prompt_builders.selectors.spread import relate, spread_out
from icil.prompt_builders.selectors.view import AUTO, Offer, Pick, View
from icil.tasks import Pool, Task, UsageError

_LAMBDA = 0.5

METHODS: Mapping[str, Callable[[Offer, int, np.random.Generator], list[Pick]]] = {
    "facility_location": place_facilities,
    "kcenter": spread_out,
    "kmeans": pick_from_clusters,
}
"""Those that look at the pool alone; `mmr` looks at the opening too."""


class DiversitySelector(Selector):
    """Takes those that differ, and stand for the pool together.

    Args:
        method: `kmeans`, `kcenter`, `mmr` or `facility_location`; see the module.
        order: `selected`: as the method gives them, of `kmeans` the largest cluster's first;
            `ascending` or `descending` by similarity to the opening; `shuffled`.
        embedding: An embedding, its name, or `auto` for what suits the format.
        of: What stands for a demonstration: `opening` or `episode`.
        lambda_: Of `mmr`: the weight of similarity against difference, 0 to 1; None for 0.5.

    Raises:
        UsageError: There is no such method, order, embedding or part; or the method has no lambda.
    """

    def __init__(
        self,
        *,
        method: str = "kmeans",
        order: str = "selected",
        embedding: str | Embedding = AUTO,
        of: str = "opening",
        lambda_: float | str | None = None,
    ) -> None:
        self._method = one_of("method of diversity", method, (*METHODS, "mmr"))
        if lambda_ is not None and method != "mmr":
            raise UsageError(f"lambda is an option of diversity:mmr; diversity:{method} has none")
        self._lambda = share("lambda", _LAMBDA if lambda_ is None else lambda_)
        self._order, self._view = check_order(order), View(embedding, of)
        self.nested = self._order == "selected" and method != "kmeans"

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides the choice."""
        own = {"lambda": self._lambda} if self._method == "mmr" else {}
        return {"method": self._method, **own, "order": self._order, **self._view.settings}

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that the embedding takes what the format shows; see `Selector.check`."""
        self._view.check(task, format, pool)

    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns `k` that differ; see `Selector.select`."""
        check_count(pool, k)
        if k == 0:
            return NOTHING
        offer = self._view.offer(pool, query)
        if self._method == "mmr":
            picks = relate(offer, k, self._lambda)
        else:
            picks = METHODS[self._method](offer, k, rng)
        numbers = [pick.number for pick in picks]
        shown = [picks[i] for i in arrange(numbers, self._order, lambda: offer.similarity, rng)]
        return Selection(
            demonstrations=offer.demonstrations([pick.number for pick in shown]),
            reasons=tuple(pick.reason for pick in shown),
        )
