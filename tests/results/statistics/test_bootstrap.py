"""Resampling: against scipy's, and against the truth."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from icil.results import mean_score
from icil.results.statistics import Clusters, resampled_means, weights


def test_bounds_are_those_of_scipy():
    scores = np.random.default_rng(1).exponential(size=150)
    theirs = bootstrap((scores,), np.mean, method="percentile", rng=2, n_resamples=9999)
    found, width = mean_score(scores), scores.std() / 150**0.5
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.1 * width)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.1 * width)


@pytest.mark.parametrize(
    "clusters", [Clusters.apart(6), Clusters.of([1, 1, 1, 2, 2, 3]), Clusters.of([1] * 6)]
)
def test_each_resample_is_as_large_as_its_sets(clusters):
    drawn = np.concatenate(list(weights(clusters)))
    assert drawn.shape == (9999, 6)
    if clusters.kind != "sets":
        assert (drawn.sum(axis=1) == 6).all()
        return
    per_set = np.stack([drawn[:, np.equal(clusters.labels, n)].sum(axis=1) for n in range(3)])
    times = per_set / np.array([[3], [2], [1]])
    assert (times == times.round()).all()  # whole sets are drawn
    assert (times.sum(axis=0) == 3).all()
    assert drawn[:, 0].std() > 0.9  # and openings in them


def test_strata_are_drawn_apart():
    values = np.random.default_rng(0).random((40, 1))
    one, again, other = (
        resampled_means(values, Clusters.apart(40), stratum)[:, 0] for stratum in "aab"
    )
    assert (one == again).all()
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def covered(rng, between, sets, size, trials=200):
    """How often the interval of a mean of 0 holds 0; `between` is the spread of the sets."""
    labels, hits = np.repeat(np.arange(sets), size), 0
    for _ in range(trials):
        scores = rng.normal(scale=between, size=sets)[labels] + rng.normal(size=sets * size)
        found = mean_score(scores, Clusters.of(labels.tolist()))
        hits += found.low <= 0 <= found.high
    return hits / trials


def test_intervals_hold_the_truth_where_sets_matter():
    """An interval over openings alone would hold it in half of the cases."""
    assert covered(np.random.default_rng(3), between=0.7, sets=16, size=6) >= 0.88


def test_intervals_are_too_wide_rather_than_too_narrow_where_sets_do_not_matter():
    assert covered(np.random.default_rng(4), between=0.0, sets=16, size=6) >= 0.95


def test_many_episodes_are_resampled_without_being_kept():
    scores = np.random.default_rng(5).normal(size=3500)
    found = mean_score(scores)
    half = 1.96 * scores.std() / 3500**0.5
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)
