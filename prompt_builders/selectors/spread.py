"""Choosing one by one, each unlike those before: k-center, and maximal marginal relevance."""

import numpy as np

from icil.prompt_builders.selectors.view import Offer, Pick


def spread_out(offer: Offer, k: int, rng: np.random.Generator) -> list[Pick]:
    """Chooses one at random, then always one that is least like any chosen (k-center)."""
    first = int(rng.integers(len(offer)))
    picks = [Pick(first, "drawn uniformly, to begin with")]
    nearest = offer.likeness(first)
    nearest[first] = np.inf
    while len(picks) < k:
        number = int(np.argmin(nearest))
        picks.append(Pick(number, f"similarity {nearest[number]:.2f} to the nearest before it"))
        np.maximum(nearest, offer.likeness(number), out=nearest)
        nearest[number] = np.inf
    return picks


def relate(offer: Offer, k: int, weight: float) -> list[Pick]:
    """Chooses what is similar to the opening and unlike those chosen (MMR).

    Args:
        offer: The demonstrations.
        k: How many, 1 or more.
        weight: Of similarity against difference, 0 to 1.
    """
    picks: list[Pick] = []
    nearest = np.zeros(len(offer))
    left = np.ones(len(offer), np.bool_)
    while len(picks) < k:
        value = weight * offer.similarity - (1 - weight) * nearest
        number = int(np.argmax(np.where(left, value, -np.inf)))
        reason = f"similarity {offer.similarity[number]:.2f} to the opening"
        if picks:
            reason += f", {nearest[number]:.2f} to the nearest before it"
        likeness = offer.likeness(number)
        nearest = np.maximum(nearest, likeness) if picks else likeness
        left[number] = False
        picks.append(Pick(number, reason))
    return picks
