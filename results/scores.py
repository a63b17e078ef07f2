"""Scores: means, their intervals, and the normalised score.

Intervals are 95 % percentile bootstraps over episodes (Efron and Tibshirani 1993). The
normalised score is (score − random) / (expert − random) with all three on the same
openings; its interval resamples the openings, all three together.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icil.tasks.seeding import generator

_RESAMPLES = 9999
_BATCH = 1000

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
