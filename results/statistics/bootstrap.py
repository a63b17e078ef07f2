"""The bootstrap: means of resamples of episodes, by how often each episode is in each resample.

Percentile intervals (Efron and Tibshirani 1993). Where episodes share sets of demonstrations, sets
are drawn first, then openings in each set drawn (Davison and Hinkley 1997, section 3.8, their
second strategy, which errs towards intervals that are too wide). Counts are drawn once for all the
columns, and for all the cells, that hang together in the same way.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from icil.results.statistics.clusters import Clusters
from icil.tasks.seeding import generator

RESAMPLES = 9999
BOUNDS = (2.5, 97.5)
"""Percentiles."""

Floats = NDArray[np.float64]
Counts = NDArray[np.uint16]

_BATCH = 1000
_KEPT = 3000
"""The most episodes whose counts are kept in memory, 60 MB of them."""


def resampled_means(values: Floats, clusters: Clusters, stratum: str = "") -> Floats:
    """Returns the means of resamples, shape (resamples, columns).

    Args:
        values: Shape (episodes, columns).
        clusters: How the episodes hang together.
        stratum: Draws of different strata are independent of each other.
    """
    whole = np.ones((len(values), 1))
    drawn = [times @ np.hstack([values, whole]) for times in weights(clusters, stratum)]
    found = np.concatenate(drawn)
    return np.asarray(found[:, :-1] / found[:, -1:])


def weights(clusters: Clusters, stratum: str = "") -> Iterator[Floats]:
    """Yields, batch by batch, how often each episode is in each resample.

    Shapes are (resamples of this batch, episodes).
    """
    alike = clusters if clusters.kind == "sets" else Clusters.apart(len(clusters.labels))
    few = len(alike.labels) <= _KEPT
    for counts in _kept(alike, stratum) if few else _counts(alike, stratum):
        yield counts.astype(np.float64)


def interval(resampled: Floats) -> tuple[float | None, float | None]:
    """Returns the bounds of a statistic's resampled values; None where any is not defined."""
    if not np.isfinite(resampled).all():
        return None, None
    low, high = np.percentile(resampled, BOUNDS)
    return float(low), float(high)


@lru_cache(maxsize=4)
def _kept(clusters: Clusters, stratum: str) -> tuple[Counts, ...]:
    return tuple(_counts(clusters, stratum))


def _counts(clusters: Clusters, stratum: str) -> Iterator[Counts]:
    count = len(clusters.labels)
    identity = ("bootstrap", stratum) if stratum else ("bootstrap",)
    if clusters.kind == "sets":
        rng = generator(*identity, *clusters.labels)
        members = [np.flatnonzero(np.equal(clusters.labels, n)) for n in range(clusters.count)]
        for size in _sizes():
            yield _from_sets(rng, members, size)
        return
    rng = generator(*identity, count)
    for size in _sizes():
        yield _drawn(rng, count, size)


def _sizes() -> Iterator[int]:
    for start in range(0, RESAMPLES, _BATCH):
        yield min(_BATCH, RESAMPLES - start)


def _drawn(rng: np.random.Generator, count: int, size: int) -> Counts:
    """Returns how often each of `count` is drawn in each of `size` draws of as many."""
    drawn = rng.integers(0, count, size=(size, count)) + count * np.arange(size)[:, None]
    found = np.bincount(drawn.ravel(), minlength=size * count)
    return found.reshape(size, count).astype(np.uint16)


def _from_sets(rng: np.random.Generator, members: list[NDArray[np.intp]], size: int) -> Counts:
    sets = _drawn(rng, len(members), size)
    found = np.zeros((size, sum(map(len, members))), np.uint16)
    for number, places in enumerate(members):
        times = sets[:, number].astype(np.int64)
        if len(places) == 1:
            found[:, places[0]] = times
            continue
        chances = np.full(len(places), 1 / len(places))
        found[:, places] = rng.multinomial(times * len(places), chances)
    return found
