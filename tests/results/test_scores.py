"""Scores: means and their intervals."""

import numpy as np
import pytest

from icil.results import Estimate, mean_score, normalized_score


def test_the_mean_is_the_mean():
    scores = np.array([1.0, 0.0, -1.0, 2.5])
    assert mean_score(scores).mean == 0.625


def test_an_interval_of_two_is_known_by_hand():
    """Half of all resamples of two scores are mixed, a quarter each are one score twice."""
    assert mean_score(np.array([0.0, 1.0])) == Estimate(mean=0.5, low=0.0, high=1.0)


def test_an_interval_of_many_is_that_of_the_normal_distribution():
    scores = np.random.default_rng(1).exponential(size=2000)
    found = mean_score(scores)
    half = 1.96 * scores.std() / 2000**0.5
    assert found.low == pytest.approx(found.mean - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.1 * half)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, covered, trials = np.random.default_rng(2), 0, 250
    for _ in range(trials):
        found = mean_score(rng.binomial(1, 0.4, size=60).astype(float))
        covered += found.low <= 0.4 <= found.high
    # 95 % less what a percentile bootstrap of 60 is short of; three standard errors each way.
    assert 0.945 - 0.042 <= covered / trials <= 0.945 + 0.042


def test_normalized_intervals_cover_the_truth_as_often_as_they_say():
    rng, covered, trials = np.random.default_rng(3), 0, 250
    for _ in range(trials):
        opening = rng.normal(size=50)
        noise = rng.normal(scale=0.5, size=(3, 50))
        scores, random, expert = np.array([[1.0], [0.0], [2.0]]) + opening + noise
        found = normalized_score(scores, random, expert)
        covered += found.low <= 0.5 <= found.high
    assert 0.945 - 0.042 <= covered / trials <= 0.945 + 0.042


def test_one_score_has_no_interval():
    assert mean_score(np.array([0.5])) == Estimate(mean=0.5)
    one = normalized_score(np.array([0.5]), np.array([0.0]), np.array([1.0]))
    assert one == Estimate(mean=0.5)


def test_equal_scores_have_an_interval_of_no_width():
    assert mean_score(np.full(10, 0.25)) == Estimate(mean=0.25, low=0.25, high=0.25)


def test_the_normalized_score_is_known_by_hand():
    scores, random, expert = np.array([[0.5, 1.0, 0.0], [0.0, 0.0, -0.5], [1.0, 1.0, 0.5]])
    found = normalized_score(scores, random, expert)
    assert found.mean == pytest.approx((1.5 - -0.5) / (2.5 - -0.5))


def test_the_normalized_score_may_lie_outside_of_zero_and_one():
    random, expert = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    assert normalized_score(random - 1, random, expert).mean == -0.5
    assert normalized_score(expert + 1, random, expert).mean == 1.5


def test_openings_are_resampled_all_three_together():
    """Who does as the expert does on every opening has a score of 1 without a doubt."""
    rng = np.random.default_rng(4)
    random = rng.normal(size=30)
    expert = random + 1 + rng.random(30)
    assert normalized_score(expert, random, expert) == Estimate(mean=1.0, low=1.0, high=1.0)
    assert normalized_score(random, random, expert) == Estimate(mean=0.0, low=0.0, high=0.0)
    found = normalized_score((random + expert) / 2, random, expert)
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(0.5))


@pytest.mark.parametrize("expert", [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
def test_there_is_no_normalized_score_where_the_expert_is_no_better(expert):
    random = np.array([0.0, 1.0])
    assert normalized_score(np.array([1.0, 1.0]), random, np.array(expert)) is None


def test_there_is_no_interval_where_a_resample_has_no_gap():
    scores, random, expert = np.array([[0.5, 0.0], [0.0, 1.0], [2.0, 0.5]])
    found = normalized_score(scores, random, expert)
    assert found == Estimate(mean=pytest.approx(-1 / 3))


def test_estimates_are_a_function_of_the_scores():
    rng = np.random.default_rng(5)
    scores, random = rng.random(20), rng.random(20) - 1
    first = mean_score(scores), normalized_score(scores, random, random + 2)
    np.random.seed(1)
    assert (mean_score(scores), normalized_score(scores, random, random + 2)) == first
    low, high = first[0].low, first[0].high
    assert low < first[0].mean < high
    # The order of the openings moves the resamples, not what they are about.
    again = mean_score(scores[::-1])
    assert again.mean == pytest.approx(first[0].mean)
    assert again.low == pytest.approx(low, abs=0.02)
