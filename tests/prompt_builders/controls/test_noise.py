"""Noise: exactly so many demonstrations take the actions of others."""

from itertools import cycle, islice

import pytest

from icil.tasks import PoolError, UsageError
from icil.tasks.demonstrations import Altered

SHARES = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)


def noisy(selection):
    return {d.id.partition("~")[0]: d for d in selection.demonstrations if isinstance(d, Altered)}


def actions(demonstration):
    return tuple(step.action for step in demonstration.steps)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("count", [1, 2, 3, 10, 64])
def test_exactly_so_many_are_noisy(grid, share, count):
    shown = grid.alter(f"noise={share}", count)
    assert len(noisy(shown)) == round(share * count)
    plain = grid.select(count)
    assert [id.partition("~")[0] for id in shown.ids] == list(plain.ids)


def test_a_noisy_one_has_the_actions_of_the_one_that_is_named(grid):
    shown = grid.alter("noise=0.5", 64)
    by_id = grid.pool.by_id
    for one, reason in zip(shown.demonstrations, shown.reasons, strict=True):
        if not isinstance(one, Altered):
            assert reason == "wanted"
            continue
        id, donor = one.id.split("~noise:")
        assert donor != id
        assert donor in grid.select(64).ids
        assert one.true is by_id[id]
        expected = islice(cycle(actions(by_id[donor])), len(one.steps))
        assert one.actions == tuple(expected)
        assert reason == f"wanted; with the actions of {donor}"


def test_actions_are_cut_or_repeated(grid):
    shown = grid.alter("noise=1", 64)
    lengths = {
        len(grid.pool.by_id[one.id.split("~noise:")[1]].steps) - len(one.steps)
        for one in shown.demonstrations
    }
    assert min(lengths) < 0 < max(lengths)


def test_noise_is_nested(grid):
    before = {}
    for share in SHARES:
        now = noisy(grid.alter(f"noise={share}", 40))
        assert before.items() <= now.items()
        before = now


def test_all_noisy_is_each_ones_actions_once(grid):
    shown = grid.alter("noise=1", 32)
    donors = [one.id.split("~noise:")[1] for one in shown.demonstrations]
    assert sorted(donors) == sorted(grid.select(32).ids)


def test_it_is_the_same_each_time_and_others_for_others(grid, setting):
    once, again = grid.alter("noise=0.5", 32), grid.alter("noise=0.5", 32)
    assert once == again
    assert setting().alter("noise=0.5", 32) == once
    others = [grid.alter("noise=0.5", 32, who=8), setting(seed=1).alter("noise=0.5", 32)]
    assert all(other.ids != once.ids for other in others)


def test_one_alone_takes_the_actions_of_one_of_the_pool(grid):
    donors = set()
    for who in range(20):
        (one,) = grid.alter("noise=1", 1, who=who).demonstrations
        id, donor = one.id.split("~noise:")
        assert donor != id
        donors.add(donor)
    assert len(donors) > 10


def test_one_alone_in_its_pool_is_refused(setting):
    grid = setting()
    one = grid.select(1)
    alone = grid.pool.without(frozenset(grid.pool.by_id) - set(one.ids))
    with pytest.raises(PoolError, match="no other demonstration whose actions could be taken"):
        grid.alter("noise=1", 1, offered=alone)
    grid.pool = alone
    with pytest.raises(PoolError, match="the pool of gridworld has no other"):
        grid.bind("noise=0.5")


@pytest.mark.parametrize("value", ["2", "-0.1", "nan", "inf", "half", "", " "])
def test_what_is_no_share_is_refused(grid, value):
    with pytest.raises(UsageError, match=r"expected a share from 0 to 1, such as noise=0\.25, got"):
        grid.bind(f"noise={value}")


def test_without_a_share_it_is_refused(grid):
    with pytest.raises(UsageError, match="got nothing"):
        grid.bind("noise")
