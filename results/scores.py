"""Scores: means, their intervals, and the normalised score.

Intervals are 95 % percentile bootstraps over episodes (Efron and Tibshirani 1993). The
normalised score is (score − random) / (expert − random) with all three on the same
openings; its interval resamples the openings, all three together.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from icil.tasks.seeding import generator

_RESAMPLES = 9999
_BATCH = 1000
_BOUNDS = (2.5, 97.5)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval. The bounds are None below two episodes."""

    mean: float
    low: float | None = None
    high: float | None = None


def mean_score(scores: Floats) -> Estimate:
    """Estimates the mean of one or more scores, shape (episodes,)."""
    low, high = _interval((scores,), _mean)
    return Estimate(mean=float(scores.mean()), low=low, high=high)


def normalized_score(scores: Floats, random: Floats, expert: Floats) -> Estimate | None:
    """Estimates the normalised score.

    Args:
        scores: Of the agent, shape (openings,).
        random: Of the random player on the same openings.
        expert: Of the expert on the same openings.

    Returns:
        None where the expert is no better than the random player.
    """
    if float(expert.mean()) <= float(random.mean()):
        return None
    low, high = _interval((scores, random, expert), _normalized)
    value = float(_normalized(scores, random, expert))
    return Estimate(mean=value, low=low, high=high)


def score_gap(scores: Floats, others: Floats) -> Estimate:
    """Estimates how much higher scores are than others of the same openings, shape (openings,)."""
    return mean_score(scores - others)


def pooled_shares(hits: Floats, tries: Floats) -> tuple[Estimate | None, ...]:
    """Estimates shares of what was tried, pooled over the episodes; whole episodes are resampled.

    Args:
        hits: How often each episode hit, shape (episodes, columns).
        tries: How often it tried, of the same shape.

    Returns:
        For each column its share; None where nothing was tried. The bounds are None where fewer
        than two episodes tried.
    """
    totals, counts = tries.sum(axis=0), (tries > 0).sum(axis=0)
    if not len(tries) or not totals.any():
        return tuple(None for _ in totals)
    resampled = np.concatenate([_shares(w, hits, tries) for w in _weights(len(tries))])
    found: list[Estimate | None] = []
    for column, (total, count) in enumerate(zip(totals, counts, strict=True)):
        if not total:
            found.append(None)
            continue
        share = float(hits[:, column].sum() / total)
        low = high = None
        if count > 1:
            low, high = map(float, np.nanpercentile(resampled[:, column], _BOUNDS))
        found.append(Estimate(mean=share, low=low, high=high))
    return tuple(found)


@lru_cache(maxsize=1)
def _weights(count: int) -> tuple[NDArray[np.uint16], ...]:
    """Returns how often each of `count` episodes is in each of some resamples, batch by batch."""
    rng, chances = generator("bootstrap", count), np.full(count, 1 / count)
    sizes = [min(_BATCH, _RESAMPLES - start) for start in range(0, _RESAMPLES, _BATCH)]
    return tuple(rng.multinomial(count, chances, size=n).astype(np.uint16) for n in sizes)


def _shares(weights: NDArray[np.uint16], hits: Floats, tries: Floats) -> Floats:
    """Returns the shares of resamples, shape (resamples, columns); NaN where nothing was tried."""
    times = weights.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((times @ hits) / (times @ tries))


def _mean(scores: Floats, axis: int = -1) -> Floats:
    return np.asarray(scores.mean(axis=axis))


def _normalized(scores: Floats, random: Floats, expert: Floats, axis: int = -1) -> Floats:
    gap = expert.mean(axis=axis) - random.mean(axis=axis)
    gain = scores.mean(axis=axis) - random.mean(axis=axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(gap > 0, gain / gap, np.nan))


def _interval(
    samples: tuple[Floats, ...], statistic: Callable[..., Floats]
) -> tuple[float | None, float | None]:
    from scipy.stats import DegenerateDataWarning, bootstrap

    count = len(samples[0])
    if count < 2:
        return None, None
    with warnings.catch_warnings():
        # It is what the check for finite bounds, below, is about.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            samples,
            statistic,
            n_resamples=_RESAMPLES,
            batch=_BATCH,
            vectorized=True,
            paired=True,
            method="percentile",
            rng=generator("bootstrap", count),
        ).confidence_interval
    if not (np.isfinite(found.low) and np.isfinite(found.high)):
        return None, None
    return float(found.low), float(found.high)
