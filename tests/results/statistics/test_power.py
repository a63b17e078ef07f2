"""How many openings would tell two apart."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from icil.results.statistics import Clusters, openings_needed


def normal(mean, count=50):
    """Differences with exactly this mean, and a standard deviation of 1."""
    values = np.random.default_rng(0).normal(size=count)
    return (values - values.mean()) / values.std(ddof=1) + mean


def needed(differences, level=0.05):
    return openings_needed(differences, Clusters.apart(len(differences)), level)


@pytest.mark.parametrize(("effect", "published"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_openings_are_those_of_the_published_tables(effect, published):
    """Cohen (1988): of the paired t-test, two-sided, 5 %, a power of 80 %."""
    assert needed(normal(effect)) == published


def test_with_so_many_the_difference_is_found_four_times_in_five():
    count = needed(normal(0.4))
    samples = np.random.default_rng(1).normal(loc=0.4, size=(2000, count))
    found = np.mean(ttest_1samp(samples, 0, axis=1).pvalue <= 0.05)
    assert found == pytest.approx(0.8, abs=0.03)


def test_a_stricter_level_takes_more():
    assert needed(normal(0.4), level=0.005) > needed(normal(0.4))


def test_a_small_difference_takes_very_many():
    assert needed(normal(0.001)) == pytest.approx(7.849e6, rel=0.01)


def test_as_many_as_the_sign_flip_test_can_do_with():
    assert needed(np.ones(3)) == 6
    assert needed(np.ones(3), level=0.05 / 100) == 12
    assert needed(np.array([5.0, 5.1, 4.9])) == 6


def test_no_difference_or_no_spread_to_tell_gives_none():
    assert needed(np.array([1.0, -1.0])) is None
    assert needed(np.array([0.1, 0.2, -0.3])) is None  # but for rounding
    assert needed(np.zeros(4)) is None
    assert needed(np.array([1.0])) is None


def test_openings_that_hang_together_count_for_less():
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(10), 5)
    differences = rng.normal(size=10)[labels] + 0.3
    together = openings_needed(differences, Clusters.of(labels.tolist()), 0.05)
    assert together == pytest.approx(5 * needed(differences), rel=0.25)
