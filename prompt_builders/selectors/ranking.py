"""Ranks and orders: the largest of many scores, and in which order the chosen are shown."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.selectors.options import one_of
from icil.tasks import Pool, PoolError

Numbers = NDArray[np.float64]

Order = Literal["selected", "ascending", "descending", "shuffled"]
"""As the method gives them; by similarity to the opening, or difficulty; at random."""
ORDERS: tuple[Order, ...] = get_args(Order)


def check_order(value: str) -> Order:
    """Returns an order by its name.

    Raises:
        UnknownNameError: There is no such order.
    """
    return one_of("order", value, ORDERS)


def check_count(pool: Pool, k: int) -> None:
    """Checks that there are as many demonstrations as are asked for.

    Raises:
        PoolError: There are fewer.
    """
    if k > len(pool.demonstrations):
        raise PoolError(
            f"{k} demonstrations of {pool.card.task} were asked for; "
            f"{len(pool.demonstrations)} are offered"
        )


def by_id(pool: Pool) -> list[int]:
    """Returns the places of a pool's demonstrations in the order of their ids."""
    ids = [one.id for one in pool.demonstrations]
    return sorted(range(len(ids)), key=ids.__getitem__)


def largest(scores: Numbers, k: int) -> list[int]:
    """Returns the places of the `k` largest scores, the largest first, ties in their order."""
    if k < len(scores):
        bar = np.partition(scores, len(scores) - k)[len(scores) - k] if k else np.inf
        above, at = np.flatnonzero(scores > bar), np.flatnonzero(scores == bar)
        places = np.sort(np.concatenate([above, at[: k - len(above)]]))
    else:
        places = np.arange(len(scores))
    return [int(place) for place in places[np.argsort(-scores[places], kind="stable")]]


def arrange(
    chosen: Sequence[int], order: Order, scores: Callable[[], Numbers], rng: np.random.Generator
) -> list[int]:
    """Returns in which order to show what was chosen, as places among the chosen.

    Args:
        chosen: Numbers of what was chosen; the smaller comes first among equals.
        order: The order wanted.
        scores: Gives a score for each number that there is; asked if the order needs it.
        rng: Shuffles.
    """
    places = list(range(len(chosen)))
    if order == "selected":
        return places
    if order == "shuffled":
        return [int(place) for place in rng.permutation(len(chosen))]
    sign = 1 if order == "ascending" else -1
    known = scores()
    return sorted(places, key=lambda place: (sign * known[chosen[place]], chosen[place]))
