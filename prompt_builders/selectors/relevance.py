"""The relevance selector: the demonstrations nearest to the episode's opening, or to its state.

Retrieval of similar examples after Liu et al. 2022 (arXiv 2101.06804); so compared in Revisiting
In-Context Learning (arXiv 2412.16926), where each query has examples of its own. Of an episode
that is its opening, or each step's state: `query=step` chooses anew at every step.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from icil.prompt_builders.embeddings.embedding import Embedding
from icil.prompt_builders.embeddings.space import PARTS
from icil.prompt_builders.selectors.options import one_of
from icil.prompt_builders.selectors.ranking import arrange, check_count, check_order, largest
from icil.prompt_builders.selectors.selector import NOTHING, Query, Selection, Selector
from icil.prompt_builders.selectors.view import AUTO, Offer, StateOffer, View
from icil.tasks import Pool, Task

_QUERIES = ("opening", "step")
_STATE = "state"
"""Of a demonstration, that of its states which is most like what is asked for."""


class RelevanceSelector(Selector):
    """Takes those nearest to the episode's opening or present state, by cosine of embeddings.

    Args:
        order: `selected` or `descending`: the nearest first; `ascending`, `shuffled`.
        embedding: An embedding, its name, or `auto` for what suits the format.
        of: What stands for a demonstration: its `opening`, the `episode`, or the `state` of it
            that is nearest. None for the opening, or, with `query=step`, the state.
        query: What they are to be near to: the episode's `opening`, chosen once, or at each
            `step` the present state.

    Raises:
        UsageError: There is no such order, embedding, part or query.
    """

    def __init__(
        self,
        *,
        order: str = "selected",
        embedding: str | Embedding = AUTO,
        of: str | None = None,
        query: str = "opening",
    ) -> None:
        self.each_step = one_of("query", query, _QUERIES) == "step"
        self._of = of or (_STATE if self.each_step else "opening")
        one_of("part of a demonstration (of=)", self._of, (*PARTS, _STATE))
        self._order = check_order(order)
        self._view = View(embedding, "opening" if self._of == _STATE else self._of)
        self.nested = self._order in ("selected", "descending")

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides the choice."""
        found = {"order": self._order, **self._view.settings, "of": self._of}
        return {**found, "query": "step"} if self.each_step else found

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that the embedding takes what the format shows; see `Selector.check`."""
        self._view.check(task, format, pool)

    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns the `k` nearest; see `Selector.select`."""
        check_count(pool, k)
        if k == 0:
            return NOTHING
        look = self._view.offer_states if self._of == _STATE else self._view.offer
        offer = look(pool, query)
        near = largest(offer.similarity, k)
        chosen = [near[i] for i in arrange(near, self._order, lambda: offer.similarity, rng)]
        return Selection(
            demonstrations=offer.demonstrations(chosen),
            reasons=tuple(self._reason(offer, number) for number in chosen),
        )

    def _reason(self, offer: Offer | StateOffer, number: int) -> str:
        which = f" of step {offer.step(number)}" if isinstance(offer, StateOffer) else ""
        what = "the present state" if self.each_step else "the opening"
        alike = "; all demonstrations look alike" if offer.index.alike else ""
        return f"similarity {offer.similarity[number]:.2f}{which} to {what}{alike}"
