"""The random selector: uniform, without replacement, nested (LMAct, arXiv 2412.01441)."""

import numpy as np

from icil.prompt_builders.selectors.selector import Query, Selection, Selector
from icil.tasks import Pool


class RandomSelector(Selector):
    """Shuffles the pool and takes the first `k`."""

    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns the first `k` of a random order; see `Selector.select`."""
        order = rng.permutation(len(pool.demonstrations))[:k]
        chosen = tuple(pool.demonstrations[i] for i in order)
        return Selection(demonstrations=chosen, reasons=("drawn uniformly",) * k)
