"""Scores: means, their intervals, and the normalised score.

Intervals are 95 % percentile bootstraps over episodes, or over the sets of demonstrations that they
share and then the openings in each (`statistics/bootstrap.py`). The normalised score is
(score − random) / (expert − random) with all three on the same openings; its interval resamples
the openings, all three together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from icil.results.statistics import (
    BOUNDS,
    Clusters,
    interval,
    resampled_means,
    weights,
)
from icil.results.statistics import Floats as Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval. The bounds are None below two episodes."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What an agent scored, shape (openings,), and the reference players on the same openings."""

    scores: Floats
    random: Floats | None = None
    expert: Floats | None = None
    """None where one of them has not played them all."""
    clusters: Clusters
    """How the agent's episodes hang together."""


class Estimates(NamedTuple):
    """Of a sample."""

    score: Estimate
    normalized: Estimate | None
    """None without both reference players, and where the expert is not the better one."""


def estimate_samples(samples: Sequence[Sample]) -> list[Estimates]:
    """Estimates samples of one or more scores; resamples once for all that hang together alike."""
    alike: dict[Clusters, list[int]] = {}
    for i, sample in enumerate(samples):
        alike.setdefault(sample.clusters, []).append(i)
    found: dict[int, Estimates] = {}
    for clusters, places in alike.items():
        columns = [np.stack(_columns(samples[i]), axis=1) for i in places]
        ends = np.cumsum([one.shape[1] for one in columns])[:-1]
        values = np.concatenate(columns, axis=1)
        parts: Sequence[Floats | None] = [None] * len(places)
        if len(values) > 1:
            parts = np.split(resampled_means(values, clusters), ends, axis=1)
        for i, one, resampled in zip(places, columns, parts, strict=True):
            found[i] = _estimates(one.mean(axis=0), resampled)
    return [found[i] for i in range(len(samples))]


def mean_score(scores: Floats, clusters: Clusters | None = None) -> Estimate:
    """Estimates the mean of one or more scores.

    Args:
        scores: Shape (episodes,).
        clusters: How the episodes hang together; None: they do not.
    """
    sample = Sample(scores=scores, clusters=clusters or Clusters.apart(len(scores)))
    return estimate_samples([sample])[0].score


def normalized_score(
    scores: Floats, random: Floats, expert: Floats, clusters: Clusters | None = None
) -> Estimate | None:
    """Estimates the normalised score.

    Args:
        scores: Of the agent, shape (openings,).
        random: Of the random player on the same openings.
        expert: Of the expert on the same openings.
        clusters: How the agent's episodes hang together; None: they do not.

    Returns:
        None where the expert is no better than the random player.
    """
    clusters = clusters or Clusters.apart(len(scores))
    sample = Sample(scores=scores, random=random, expert=expert, clusters=clusters)
    return estimate_samples([sample])[0].normalized


def _columns(sample: Sample) -> list[Floats]:
    if sample.random is None or sample.expert is None:
        return [sample.scores]
    return [sample.scores, sample.random, sample.expert]


def _estimates(means: Floats, resampled: Floats | None) -> Estimates:
    """Returns the estimates of a sample's columns; `resampled` is None below two episodes."""
    low, high = (None, None) if resampled is None else interval(resampled[:, 0])
    score = Estimate(mean=float(means[0]), low=low, high=high)
    if len(means) == 1 or means[2] <= means[1]:
        return Estimates(score, None)
    low, high = (None, None) if resampled is None else interval(normalized(*resampled.T))
    return Estimates(score, Estimate(mean=float(normalized(*means)), low=low, high=high))


def normalized(score: Floats, random: Floats, expert: Floats) -> Floats:
    """Returns (score − random) / (expert − random), NaN where the expert is no better."""
    gap = expert - random
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(gap > 0, (score - random) / gap, np.nan))


def score_gap(scores: Floats, others: Floats, clusters: Clusters | None = None) -> Estimate:
    """Estimates how much higher scores are than others of the same openings, shape (openings,)."""
    return mean_score(scores - others, clusters)


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
    drawn = weights(Clusters.apart(len(tries)))
    resampled = np.concatenate([_shares(times, hits, tries) for times in drawn])
    found: list[Estimate | None] = []
    for column, (total, count) in enumerate(zip(totals, counts, strict=True)):
        if not total:
            found.append(None)
            continue
        share = float(hits[:, column].sum() / total)
        low = high = None
        if count > 1:
            low, high = map(float, np.nanpercentile(resampled[:, column], BOUNDS))
        found.append(Estimate(mean=share, low=low, high=high))
    return tuple(found)


def _shares(times: Floats, hits: Floats, tries: Floats) -> Floats:
    """Returns the shares of resamples, shape (resamples, columns); NaN where nothing was tried."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((times @ hits) / (times @ tries))
