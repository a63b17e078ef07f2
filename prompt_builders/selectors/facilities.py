"""Facility location: each demonstration of the pool shall have one alike among the chosen.

What a choice is worth is the sum, over the pool, of the similarity to the nearest chosen one,
opposites counting as strangers. Where the pool is large, a sample of it is represented. The
similarities are rounded to whole millionths, so that sums are exact.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.embeddings.index import all_cosines
from icil.prompt_builders.selectors.view import Offer, Pick

_LARGEST = 2**25
"""Similarities that are held at a time."""
_ONE = 1_000_000
_CHUNK = 512
"""Rows of them that are made at a time."""


def place_facilities(offer: Offer, k: int, rng: np.random.Generator) -> list[Pick]:
    """Chooses greedily what adds most; ties go to the smaller id."""
    table = _table(offer, rng)
    best = np.zeros(table.shape[1], table.dtype)
    # What one adds only shrinks as others are chosen: an old figure that is no longer the
    # largest need not be made anew.
    heap = [(-int(gain), number) for number, gain in enumerate(table.sum(axis=1, dtype=np.int64))]
    heapq.heapify(heap)
    picks: list[Pick] = []
    while len(picks) < k:
        _, number = heapq.heappop(heap)
        gains = np.maximum(table[number] - best, 0)
        entry = (-int(gains.sum(dtype=np.int64)), number)
        if heap and entry > heap[0]:
            heapq.heappush(heap, entry)
            continue
        best += gains
        covered = best.sum(dtype=np.int64) / (_ONE * len(best))
        picks.append(
            Pick(number, f"brings the pool's mean similarity to the chosen to {covered:.2f}")
        )
    return picks


def _table(offer: Offer, rng: np.random.Generator) -> NDArray[np.int32]:
    """Returns how similar each of the offer is to each that is represented, 0 to a million."""
    count = len(offer)
    most = max(1, _LARGEST // count)
    numbers = np.arange(count)
    if most < count:
        numbers = np.sort(rng.permutation(count)[:most])
    table = np.empty((count, len(numbers)), np.int32)
    others = offer.located.at(numbers)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        table[part] = np.rint(np.maximum(all_cosines(offer.located.at(part), others), 0) * _ONE)
    return table
