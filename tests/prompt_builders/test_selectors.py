"""Selectors: the registry, and the random one."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from icil.prompt_builders import Query, RandomSelector, selectors
from icil.tasks import UnknownNameError


@pytest.fixture
def query(task):
    return Query(task=task, format="ascii", opening=task.openings("evaluation")[0])


@pytest.fixture
def draw(pool, query):
    """Returns a function that draws with a seed."""

    def draw(k, seed=0, pool=pool, query=query):
        return RandomSelector().select(pool, query, k, np.random.default_rng(seed))

    return draw


def test_selectors_are_made_by_name():
    assert "random" in selectors.names()
    assert isinstance(selectors.make("random"), RandomSelector)
    with pytest.raises(UnknownNameError, match="unknown selector 'randon'; did you mean 'random'"):
        selectors.make("randon")


@pytest.mark.parametrize("seed", range(5))
def test_more_begin_with_the_fewer(draw, pool, seed):
    most = draw(40, seed).ids
    for k in (0, 1, 4, 16, 39, 40):
        found = draw(k, seed)
        assert found.ids == most[:k]
        assert len(found.reasons) == k


def test_none_is_drawn_twice_and_all_when_all_are_asked_for(draw, pool):
    for seed in range(20):
        assert len(set(draw(25, seed).ids)) == 25
    assert set(draw(40).ids) == set(pool.by_id)


def test_demonstrations_are_the_pools_own(draw, pool):
    assert all(pool.by_id[d.id] is d for d in draw(10).demonstrations)


def test_each_is_drawn_first_equally_often(draw, pool):
    counts = Counter(draw(1, seed).ids[0] for seed in range(4000))
    assert chisquare([counts[id] for id in pool.by_id]).pvalue > 0.001


def test_each_is_drawn_among_some_equally_often(draw, pool):
    """At every place, and in every company: pairs are uniform too."""
    draws = [draw(3, seed).ids for seed in range(4000)]
    for place in range(3):
        counts = Counter(ids[place] for ids in draws)
        assert chisquare([counts[id] for id in pool.by_id]).pvalue > 0.001
    few = sorted(pool.by_id)[:20]
    pairs = Counter(
        (few.index(a) // 5, few.index(b) // 5) for a, b, _ in draws if {a, b} <= set(few)
    )
    expected = np.array([4 if i == j else 5 for i in range(4) for j in range(4)], dtype=float)
    found = np.array([pairs[i, j] for i in range(4) for j in range(4)], dtype=float)
    assert chisquare(found, expected / expected.sum() * found.sum()).pvalue > 0.001


def test_the_draw_depends_on_the_generator_alone(draw, task, pool):
    assert draw(8, 1).ids == draw(8, 1).ids != draw(8, 2).ids
    other = Query(task=task, format="rgb", opening=task.openings("evaluation")[7])
    assert draw(8, 1, query=other) == draw(8, 1)
    selector = RandomSelector()
    rng = np.random.default_rng(1)
    first = selector.select(pool, other, 8, rng)
    assert first == draw(8, 1)
    assert selector.select(pool, other, 8, rng) != first


def test_only_what_is_offered_is_drawn(draw, pool):
    out = frozenset(sorted(pool.by_id)[:35])
    less = pool.without(out)
    for seed in range(20):
        assert not out & set(draw(5, seed, pool=less).ids)
