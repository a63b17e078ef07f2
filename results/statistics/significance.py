"""Tests of paired differences, and the correction for having made many.

The sign-flip test: if two players are alike, each opening's difference might as well have had
the other sign. All sign patterns of up to 16 differences are gone through; of more, 99,999 are
drawn, the same for every pair (`scipy.stats.permutation_test` gives the same p-values,
and draws anew for each). Openings that hang together change sign together. Holm's correction
(1979) holds the chance of any false claim in a family at 5 %.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from icil.results.statistics.bootstrap import Floats
from icil.results.statistics.clusters import Clusters
from icil.tasks.seeding import generator

LEVEL = 0.05
"""The chance of a false claim that is put up with."""
FLIPS = 99_999
"""Sign patterns that are drawn: p-values go down to 1 / 100,000."""

_EXACT = 16
"""The most differences whose sign patterns are all gone through."""
_BATCH = 5000
_WORD = 64
_ROUNDING = 1e-9
"""Sums that differ by less, relative to all the differences, are equal."""


def unit_sums(differences: Floats, clusters: Clusters) -> Floats:
    """Returns the sum of the differences of each unit that changes sign as one."""
    if clusters.kind != "sets":
        return differences
    return np.bincount(clusters.labels, weights=differences).astype(np.float64)


def sign_flip_p(units: Sequence[Floats]) -> tuple[float, ...]:
    """Returns the two-sided p-value of each of some pairs, in (0, 1].

    Args:
        units: For each pair the sums of its units' differences.
    """
    found = [1.0] * len(units)
    drawn: dict[int, Floats] = {}
    for i, sums in enumerate(units):
        moved = sums[sums != 0]
        if len(moved) > _EXACT:
            drawn[i] = moved
        elif len(moved):
            found[i] = float((_extreme(_all_signs(len(moved)), moved[:, None])).mean())
    if drawn:
        width = max(map(len, drawn.values()))
        columns = np.zeros((width, len(drawn)))
        for column, moved in enumerate(drawn.values()):
            columns[: len(moved), column] = moved
        hits = sum(_extreme(signs, columns).sum(axis=0) for signs in _drawn_signs(width))
        for i, count in zip(drawn, np.asarray(hits).tolist(), strict=True):
            found[i] = (1 + count) / (1 + FLIPS)
    return tuple(found)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Returns the p-values of a family, corrected after Holm (1979)."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return tuple(np.minimum(corrected, 1.0).tolist())


def _extreme(signs: Floats, columns: Floats) -> NDArray[np.bool_]:
    """Returns where the flipped sums are at least as far from 0 as the sums."""
    room = _ROUNDING * np.abs(columns).sum(axis=0)
    return np.asarray(np.abs(signs @ columns) >= np.abs(columns.sum(axis=0)) - room)


@lru_cache(maxsize=4)
def _all_signs(count: int) -> Floats:
    """Returns the sign patterns, shape (patterns, count), but for those with all signs turned."""
    numbers = np.arange(2 ** (count - 1))[:, None]
    return np.where((numbers >> np.arange(count)) & 1, -1.0, 1.0)


def _drawn_signs(width: int) -> Iterator[Floats]:
    """Yields sign patterns batch by batch; those of a place do not depend on the width."""
    words = [
        generator("sign flips", number).integers(0, 2**_WORD, size=FLIPS, dtype=np.uint64)
        for number in range(-(-width // _WORD))
    ]
    for start in range(0, FLIPS, _BATCH):
        parts = [word[start : start + _BATCH].astype("<u8").view(np.uint8) for word in words]
        bits = [np.unpackbits(part.reshape(-1, _WORD // 8), axis=1) for part in parts]
        yield np.where(np.concatenate(bits, axis=1)[:, :width], -1.0, 1.0)
