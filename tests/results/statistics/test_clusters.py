"""Which episodes hang together."""

import pytest

from icil.results.statistics import Clusters


def test_episodes_with_demonstrations_of_their_own_are_drawn_one_by_one():
    assert Clusters.of([5, 3, 9]) == Clusters("openings", (0, 1, 2))


def test_episodes_without_demonstrations_share_nothing():
    assert Clusters.of([None, None, None]) == Clusters("openings", (0, 1, 2))


def test_shared_sets_are_numbered_as_they_come():
    assert Clusters.of([7, 2, 7, 2, 9, 9]) == Clusters("sets", (0, 1, 0, 1, 2, 2))


@pytest.mark.parametrize("shown", [[1] * 10, [1] * 18 + [2, 3]])
def test_one_set_that_nearly_all_share_is_no_sample_of_sets(shown):
    """100 / 10 effective sets are one; so are 400 / 326."""
    found = Clusters.of(shown)
    assert (found.kind, found.count) == ("one set", len(shown))


def test_two_equal_sets_are_two():
    assert Clusters.of([1, 2] * 5).kind == "sets"
    assert Clusters.of([1] * 6 + [2] * 4).kind == "one set"


def test_there_may_be_no_episode_at_all():
    assert Clusters.of([]) == Clusters("openings", ())


def test_differences_hang_together_where_either_side_does():
    one = Clusters.of([1, 1, 2, 2, 3, 4])
    other = Clusters.of([1, 2, 2, 3, 4, 4])
    assert one.kind == other.kind == "sets"
    assert Clusters.joined(one, other).kind == "one set"  # four of six are joined in a chain
    assert Clusters.joined(one, Clusters.apart(6)) == one
    assert Clusters.joined(one, one) == one


def test_what_holds_for_one_set_does_so_in_a_difference():
    shared = Clusters.of([1] * 4)
    assert Clusters.joined(Clusters.apart(4), shared).kind == "one set"
    assert Clusters.joined(Clusters.apart(4), Clusters.apart(4)).kind == "openings"
