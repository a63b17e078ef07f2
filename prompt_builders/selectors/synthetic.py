"""The synthetic selector: random draws from the real demonstrations and from synthetic ones.

As in Revisiting In-Context Learning (arXiv 2412.16926), where examples that a model writes, and a
filter keeps, are added to all the real ones and then drawn from at random. Here a perturbed
expert plays episodes, and the simulator is the filter: those that return at least the median of
the real ones, and are none of them again.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from icil.prompt_builders.selectors.options import one_of, share
from icil.prompt_builders.selectors.random import RandomSelector
from icil.prompt_builders.selectors.selector import Query, Selection, Selector, Telling, in_silence
from icil.prompt_builders.synthesis.filters import read_filter
from icil.prompt_builders.synthesis.making import MARK, make_synthetic_pool
from icil.prompt_builders.synthesis.perturbed import propose_perturbed
from icil.prompt_builders.synthesis.proposal import first_new_opening
from icil.tasks import Pool, Task, UsageError
from icil.tasks.players import NOISE

EPISODES = 100
FILTERS = ("return>=median", "distinct")


class SyntheticSelector(Selector):
    """Draws at random from real demonstrations and from those of a perturbed expert.

    Args:
        n: How many episodes the perturbed expert plays, before any is dropped.
        noise: How often it draws at random from the legal actions, 0 to 1.
        add: `yes`: to the real ones; `no`: in their place.

    Raises:
        UsageError: An option has a value that it cannot have.
    """

    nested = True

    def __init__(
        self, *, n: int | str = EPISODES, noise: float | str = NOISE, add: str = "yes"
    ) -> None:
        if not str(n).isdecimal() or int(n) < 1:
            raise UsageError(f"n={n}: expected a whole number of episodes, 1 or more")
        self._episodes, self._noise = int(n), share("noise", noise)
        self._add = one_of("value of add", add, ("no", "yes")) == "yes"
        self._random = RandomSelector()

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides what is drawn from."""
        return {
            "n": self._episodes,
            "noise": self._noise,
            "add": self._add,
            "filters": list(FILTERS),
        }

    def extend(self, task: Task[Any], pool: Pool, tell: Telling = in_silence) -> Pool:
        """Returns the real demonstrations and the synthetic ones; see `Selector.extend`.

        Raises:
            UsageError: The task has no expert, one that takes seconds for a step, or one whose
                episodes could not be found again; no episode was kept.
        """
        first = first_new_opening(pool)
        proposed = propose_perturbed(task, self._noise, self._episodes, first, tell)
        filters = [read_filter(text) for text in FILTERS]
        return make_synthetic_pool(task, pool, proposed, filters, add=self._add, tell=tell)

    def select(self, pool: Pool, query: Query, k: int, rng: np.random.Generator) -> Selection:
        """Returns the first `k` of a random order; see `Selector.select`."""
        drawn = self._random.select(pool, query, k, rng).demonstrations
        reasons = tuple(f"drawn uniformly; {_kind(one.id)}" for one in drawn)
        return Selection(demonstrations=drawn, reasons=reasons)


def _kind(id: str) -> str:
    return "synthetic" if re.match(rf"{MARK}\d", id) else "real"
