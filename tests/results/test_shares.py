"""Shares pooled over episodes, and gaps between paired scores."""

import numpy as np
import pytest

from icil.results import Estimate, mean_score, pooled_shares, score_gap


def test_shares_are_pooled_over_episodes():
    hits = np.array([[1.0, 0.0], [3.0, 2.0], [0.0, 0.0]])
    tries = np.array([[1.0, 4.0], [6.0, 4.0], [1.0, 0.0]])
    first, second = pooled_shares(hits, tries)
    assert (first.mean, second.mean) == (0.5, 0.25)


def test_an_interval_of_two_episodes_is_known_by_hand():
    """Each is drawn twice in a quarter of the resamples: 0/1, (0+3)/(1+3), 3/3."""
    (found,) = pooled_shares(np.array([[0.0], [3.0]]), np.array([[1.0], [3.0]]))
    assert found == Estimate(mean=0.75, low=0.0, high=1.0)


def test_whole_episodes_are_resampled_not_steps():
    """Ten steps of an episode that are all alike tell no more than one."""
    right = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0])[:, None]
    once = pooled_shares(right, np.ones_like(right))
    assert pooled_shares(10 * right, np.full_like(right, 10.0)) == once


def test_with_one_try_an_episode_it_is_the_interval_of_the_mean():
    scores = np.random.default_rng(0).binomial(1, 0.3, size=400).astype(float)
    (found,) = pooled_shares(scores[:, None], np.ones((400, 1)))
    mean = mean_score(scores)
    assert found.mean == mean.mean
    assert found.low == pytest.approx(mean.low, abs=0.006)
    assert found.high == pytest.approx(mean.high, abs=0.006)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, covered, trials = np.random.default_rng(4), 0, 250
    for _ in range(trials):
        # Episodes differ in length and in how well they go.
        tries = rng.integers(1, 12, size=(60, 1)).astype(float)
        chances = rng.choice([0.2, 0.6], size=(60, 1))
        (found,) = pooled_shares(rng.binomial(tries.astype(int), chances).astype(float), tries)
        covered += found.low <= 0.4 <= found.high
    assert 0.945 - 0.042 <= covered / trials <= 0.945 + 0.042


def test_an_interval_takes_two_episodes_that_tried():
    hits, tries = np.array([[1.0], [0.0], [0.0]]), np.array([[2.0], [0.0], [0.0]])
    assert pooled_shares(hits, tries) == (Estimate(mean=0.5),)
    assert pooled_shares(hits[:1], tries[:1]) == (Estimate(mean=0.5),)


def test_an_interval_leaves_out_resamples_in_which_nobody_tried():
    hits, tries = np.zeros((9, 1)), np.zeros((9, 1))
    hits[0], tries[:2] = 1.0, 1.0
    assert pooled_shares(hits, tries) == (Estimate(mean=0.5, low=0.0, high=1.0),)


@pytest.mark.parametrize("episodes", [0, 3])
def test_what_nobody_tried_has_no_share(episodes):
    nothing = np.zeros((episodes, 2))
    assert pooled_shares(nothing, nothing) == (None, None)


def test_a_column_nobody_tried_is_between_others():
    tries = np.array([[1.0, 0.0, 1.0]] * 2)
    first, second, third = pooled_shares(tries * [1.0, 0.0, 0.0], tries)
    assert (first.mean, second, third.mean) == (1.0, None, 0.0)


def test_a_gap_is_paired():
    """What an opening brings to both is no part of the gap, nor of its interval."""
    opening = np.random.default_rng(5).normal(scale=100, size=50)
    assert score_gap(opening + 2.0, opening) == Estimate(
        mean=pytest.approx(2.0), low=pytest.approx(2.0), high=pytest.approx(2.0)
    )
    assert score_gap(np.array([1.0, 3.0]), np.array([1.0, 2.0])) == Estimate(
        mean=0.5, low=0.0, high=1.0
    )
    assert score_gap(np.array([1.0]), np.array([3.0])) == Estimate(mean=-2.0)
