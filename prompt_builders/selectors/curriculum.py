"""The selectors by difficulty: from easy to hard, and the hardest alone.

As compared in Revisiting In-Context Learning (arXiv 2412.16926); curricula after Bengio et al.
(2009). There a model rates the difficulty; here it comes from the demonstrations themselves, or
from a file of anybody's scores.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from icil.prompt_builders.embeddings.embedding import Embedding
from icil.prompt_builders.selectors.difficulty import Difficulty, make_difficulty
from icil.prompt_builders.selectors.ranking import (
    Numbers,
    Order,
    arrange,
    by_id,
    check_count,
    check_order,
    largest,
)
from icil.prompt_builders.selectors.selector import NOTHING, Query, Selection, Selector
from icil.prompt_builders.selectors.view import AUTO, View
from icil.tasks import ContractError, Pool, Task


class _ByDifficulty(Selector):
    """What both have in common; see them for the arguments."""

    _own: Order
    """What `selected` means."""
    _how: str
    """How each was chosen, for the reasons."""

    def __init__(
        self,
        *,
        by: str | Difficulty = "length",
        order: str = "selected",
        embedding: str | Embedding = AUTO,
    ) -> None:
        self._difficulty = make_difficulty(by, View(embedding))
        self._order = check_order(order)

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides the choice."""
        return {"order": self._order, **self._difficulty.settings}

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that the difficulty can be told; see `Selector.check`."""
        self._difficulty.check(task, format, pool)

    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns `k` demonstrations in their order; see `Selector.select`."""
        check_count(pool, k)
        if k == 0:
            return NOTHING
        places = by_id(pool)
        scores = self._scores(pool, query)[places]
        chosen = self._choose(scores, k, rng)
        order = self._own if self._order == "selected" else self._order
        shown = [chosen[i] for i in arrange(chosen, order, lambda: scores, rng)]
        alike = ", as all have" if len(scores) > 1 and np.ptp(scores) == 0 else ""
        return Selection(
            demonstrations=tuple(pool.demonstrations[places[i]] for i in shown),
            reasons=tuple(
                f"{self._how}{self._difficulty.describe(scores[i])}{alike}" for i in shown
            ),
        )

    @abstractmethod
    def _choose(self, scores: Numbers, k: int, rng: np.random.Generator) -> list[int]:
        """Returns the places of the chosen among the scores."""

    def _scores(self, pool: Pool, query: Query) -> Numbers:
        scores = np.asarray(self._difficulty.scores(pool, query), np.float64)
        if scores.shape != (len(pool.demonstrations),) or not np.isfinite(scores).all():
            raise ContractError(
                f"the difficulty {type(self._difficulty).__name__} gave no finite score for each "
                f"of {len(pool.demonstrations)} demonstrations"
            )
        return scores


class CurriculumSelector(_ByDifficulty):
    """Draws uniformly, and shows what it drew from easy to hard.

    Args:
        by: `length`, `return`, `surprise`, or a JSON file with scores by id; or a `Difficulty`.
        order: `selected` or `ascending`: from easy to hard; `descending`, `shuffled`.
        embedding: By which the states are compared for `surprise`: one, its name, or `auto`.

    Raises:
        UsageError: There is no such difficulty, order or embedding.
    """

    _own, _how = "ascending", "drawn uniformly; "

    def _choose(self, scores: Numbers, k: int, rng: np.random.Generator) -> list[int]:
        return [int(place) for place in rng.permutation(len(scores))[:k]]


class HardSelector(_ByDifficulty):
    """Takes the hardest, the same for each episode.

    Args:
        by: `length`, `return`, `surprise`, or a JSON file with scores by id; or a `Difficulty`.
        order: `selected` or `descending`: the hardest first; `ascending`, `shuffled`.
        embedding: By which the states are compared for `surprise`: one, its name, or `auto`.

    Raises:
        UsageError: There is no such difficulty, order or embedding.
    """

    _own, _how = "descending", "among the hardest: "

    def __init__(
        self,
        *,
        by: str | Difficulty = "length",
        order: str = "selected",
        embedding: str | Embedding = AUTO,
    ) -> None:
        super().__init__(by=by, order=order, embedding=embedding)
        self.nested = self._order in ("selected", "descending")

    def _choose(self, scores: Numbers, k: int, rng: np.random.Generator) -> list[int]:
        return largest(scores, k)
