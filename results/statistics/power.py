"""Power: how many openings would tell apart two players that so far are not.

Of the paired t-test, two-sided, at the difference and the spread that were seen, and so an
estimate as rough as these are.
"""

from math import ceil, log2, sqrt

import numpy as np

from icil.results.statistics.bootstrap import Floats
from icil.results.statistics.clusters import Clusters

POWER = 0.8
"""The chance to find the difference, if it is what was seen."""

_LARGEST = 5.0
"""Effects above need no more than this one."""
_NORMAL = 500
"""From here on Student's distribution is as good as normal."""


def openings_needed(differences: Floats, clusters: Clusters, level: float) -> int | None:
    """Returns how many openings in all give a power of 80 %.

    Args:
        differences: Of the pair, by opening.
        clusters: How the openings hang together; they count for the fewer, the more they do.
        level: The chance of a false claim that is put up with.

    Returns:
        None where there is no difference, or but one opening, or set, to tell the spread by.
    """
    mean, spread = float(differences.mean()), _spread(differences, clusters)
    largest = float(np.abs(differences).max())
    if spread is None or abs(mean) <= 1e-12 * largest:
        return None
    fewest = ceil(log2(2 / level))  # with fewer there are too few sign patterns
    return max(fewest, _paired(min(abs(mean) / spread, _LARGEST), level) if spread else 0)


def _spread(differences: Floats, clusters: Clusters) -> float | None:
    """Returns the standard deviation that independent differences as uncertain would have."""
    count, labels = len(differences), clusters.labels
    drawn = clusters.count
    if drawn < 2:
        return None
    away = np.bincount(labels, weights=differences - differences.mean())
    return sqrt(float((away**2).sum()) * drawn / (drawn - 1) / count)


def _paired(effect: float, level: float) -> int:
    """Returns the openings for an effect: the mean difference in standard deviations."""
    from scipy.stats import nct, norm, t

    needed = max(2, ceil(((norm.isf(level / 2) + norm.ppf(POWER)) / effect) ** 2))
    while needed < _NORMAL:
        bound = t.isf(level / 2, needed - 1)
        if nct.sf(bound, needed - 1, effect * sqrt(needed)) >= POWER:
            break
        needed += 1
    return needed
