"""Tests of paired differences: against scipy's, and by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test

from icil.results.statistics import Clusters, holm, sign_flip_p, unit_sums


def scipys(differences, **options):
    return permutation_test(
        (differences,), np.mean, permutation_type="samples", rng=1, vectorized=True, **options
    ).pvalue


@pytest.mark.parametrize("count", [2, 5, 11])
def test_few_differences_are_gone_through_as_scipy_does(count):
    differences = np.random.default_rng(count).normal(loc=0.4, size=count)
    (p,) = sign_flip_p([differences])
    # Scipy doubles the smaller tail, which for a symmetric distribution is the same.
    assert p == pytest.approx(scipys(differences, n_resamples=np.inf))


def test_many_differences_are_drawn_as_scipy_does():
    differences = np.random.default_rng(3).normal(loc=0.2, size=80)
    (p,) = sign_flip_p([differences])
    assert p == pytest.approx(scipys(differences, n_resamples=99_999), abs=0.005)


def test_wins_and_losses_are_a_sign_test():
    differences = np.array([1.0] * 9 + [-1.0] * 3 + [0.0] * 50)
    (p,) = sign_flip_p([differences])
    assert p == pytest.approx(binomtest(9, 12).pvalue)
    (p,) = sign_flip_p([np.array([1.0] * 60 + [-1.0] * 35)])
    assert p == pytest.approx(binomtest(60, 95).pvalue, rel=0.1)


def test_no_difference_is_no_evidence_and_a_large_one_reaches_the_floor():
    assert sign_flip_p([np.zeros(5), np.ones(100), np.zeros(0)]) == (1.0, 1e-5, 1.0)


def test_a_p_value_depends_on_its_own_differences_alone():
    rng = np.random.default_rng(4)
    one, long = rng.normal(size=30), rng.normal(size=300)
    assert sign_flip_p([one]) == sign_flip_p([long, one])[1:]


def test_equal_players_are_told_apart_as_rarely_as_claimed():
    rng = np.random.default_rng(5)
    pairs = [rng.choice([-1.0, 0.0, 1.0], size=40) for _ in range(400)]
    share = np.mean([p <= 0.05 for p in sign_flip_p(pairs)])
    assert 0.01 <= share <= 0.075


def test_openings_that_hang_together_change_sign_together():
    clusters = Clusters.of([1, 1, 2, 2, 3, 3])
    sums = unit_sums(np.array([1.0, 0.5, 1.0, 1.0, 0.0, 0.25]), clusters)
    assert sums.tolist() == [1.5, 2.0, 0.25]
    assert sign_flip_p([sums]) == (0.25,)
    alone = np.arange(6.0)
    assert unit_sums(alone, Clusters.of([1] * 6)).tolist() == alone.tolist()


def test_holm_is_known_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.5, 0.9, 0.9]) == (1.0, 1.0, 1.0)
    assert holm([0.2]) == (0.2,)
    assert holm([]) == ()
