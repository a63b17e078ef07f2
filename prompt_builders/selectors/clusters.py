"""K-means: a demonstration from each of as many clusters as are asked for.

Equal vectors are one point that weighs more. Where there are fewer different ones than are asked
for, the clusters give a second one each, and so on. Where there are very many, the clusters are
made of a sample.
"""

from functools import cache
from itertools import islice
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.embeddings.index import Numbers
from icil.prompt_builders.selectors.view import Offer, Pick

_MOST = 16_384
"""Points that clusters are made of."""
_DECIMALS = 6
"""Of distances: two points are equally far from the centre between them."""

_CHUNK = 4096
"""Points that are compared with the centres at a time."""
_LOCK = Lock()


class _Clusters(NamedTuple):
    labels: NDArray[np.intp]
    distances: Numbers
    """Squared, from the centre."""


class _Points(NamedTuple):
    """The different vectors of an offer."""

    vectors: Numbers
    """Of length 1, or 0."""
    weights: NDArray[np.int64]
    """How many demonstrations share each."""
    point: NDArray[np.intp]
    """Of each demonstration."""


def pick_from_clusters(offer: Offer, k: int, rng: np.random.Generator) -> list[Pick]:
    """Chooses from each cluster what is nearest to its centre, the largest cluster's first."""
    points = _points(offer)
    labels, distances = _cluster(points, k, rng)
    cluster, distance = labels[points.point], distances[points.point]
    numbers = np.lexsort((np.arange(len(offer)), distance, cluster))
    members = np.split(numbers, np.flatnonzero(np.diff(cluster[numbers])) + 1)
    members.sort(key=lambda one: (-len(one), int(one.min())))
    picks = (
        Pick(int(one[turn]), f"{_rank(turn)} to centre {centre + 1} of {len(members)}")
        for turn in range(len(members[0]))
        for centre, one in enumerate(members)
        if turn < len(one)
    )
    return list(islice(picks, k))


def _rank(turn: int) -> str:
    return "nearest" if turn == 0 else f"number {turn + 1} by nearness"


def _points(offer: Offer) -> _Points:
    located, known = offer.located, dict[bytes, int]()
    point = np.array([known.setdefault(row.tobytes(), len(known)) for row in located.vectors])
    first = np.unique(point, return_index=True)[1]
    lengths = located.lengths[first, None]
    vectors = np.divide(
        located.vectors[first],
        lengths,
        out=np.zeros((len(first), located.vectors.shape[1])),
        where=lengths > 0,
    )
    return _Points(vectors, np.bincount(point), point)


def _cluster(points: _Points, k: int, rng: np.random.Generator) -> _Clusters:
    """Returns the cluster of each point, and how far it is from its centre, squared."""
    count = len(points.vectors)
    if k >= count:
        return _Clusters(np.arange(count), np.zeros(count))
    seed, made_of = int(rng.integers(2**31)), np.arange(count)
    if count > _MOST:
        made_of = np.sort(rng.permutation(count)[: max(_MOST, k)])
    centres = _centres(points.vectors[made_of], points.weights[made_of], k, seed)
    labels, distances = np.empty(count, np.intp), np.empty(count)
    for start in range(0, count, _CHUNK):
        part = points.vectors[start : start + _CHUNK]
        squares = (part**2).sum(axis=1)[:, None] - 2 * part @ centres.T + (centres**2).sum(axis=1)
        labels[start : start + _CHUNK] = squares.round(_DECIMALS).argmin(axis=1)
        distances[start : start + _CHUNK] = squares.round(_DECIMALS).min(axis=1)
    return _Clusters(labels, distances)


def _centres(vectors: Numbers, weights: NDArray[np.int64], k: int, seed: int) -> Numbers:
    from sklearn.cluster import KMeans

    means = KMeans(n_clusters=k, n_init=1, random_state=seed)
    # scikit-learn sets the process's numbers of threads while it works, and with several the
    # order of its sums, and so the clusters, would differ from call to call.
    with _LOCK, _threads().limit(limits=1):
        means.fit(vectors, sample_weight=weights)
    return np.asarray(means.cluster_centers_, np.float64)


@cache
def _threads() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
