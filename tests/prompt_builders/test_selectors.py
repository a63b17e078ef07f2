"""Selectors: their names, and the random one."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from icil.prompt_builders import Query, RandomSelector, selectors
from icil.tasks import PoolError, UnknownNameError, UsageError


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
    assert {"curriculum", "diversity", "hard", "random", "relevance"} <= set(selectors.names())
    assert isinstance(selectors.make("random"), RandomSelector)
    with pytest.raises(UnknownNameError, match="unknown selector 'randon'; did you mean 'random'"):
        selectors.make("randon")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("random", {}),
        ("random:order=selected", {}),
        ("random:order=shuffled", {"order": "shuffled"}),
        ("random:order=ascending", {"order": "ascending", "embedding": "auto", "of": "opening"}),
        ("relevance", {"order": "selected", "embedding": "auto", "of": "opening"}),
        (
            "relevance:of=episode:order=ascending:embedding=pixels",
            {"order": "ascending", "embedding": "pixels", "of": "episode"},
        ),
        (
            "relevance:embedding=os.path:basename:order=ascending",
            {"order": "ascending", "embedding": "os.path:basename", "of": "opening"},
        ),
        (
            "diversity",
            {"method": "kmeans", "order": "selected", "embedding": "auto", "of": "opening"},
        ),
        (
            "diversity:kcenter:embedding=state",
            {"method": "kcenter", "order": "selected", "embedding": "state", "of": "opening"},
        ),
        (
            "diversity:mmr:lambda=0.25",
            {
                **{"method": "mmr", "lambda": 0.25, "order": "selected"},
                **{"embedding": "auto", "of": "opening"},
            },
        ),
        ("curriculum:by=return", {"by": "return", "order": "selected"}),
        (
            "hard:by=surprise:order=ascending",
            {"by": "surprise", "embedding": "auto", "order": "ascending"},
        ),
    ],
)
def test_what_follows_a_name_is_in_the_settings(name, settings):
    assert selectors.make(name).settings == settings
    assert selectors.find(name).make().settings == settings


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("relevanc:order=x", "unknown selector 'relevanc:order=x'; did you mean 'relevance'?"),
        (
            "relevance:ordr=ascending",
            "the selector 'relevance' takes no option 'ordr'; its options are embedding, of, order",
        ),
        ("random:kcenter", "the selector 'random' takes no method; its options are"),
        ("relevance:order=up", "unknown order 'up'; known: ascending, descending, selected, sh"),
        ("random:of=state", "unknown part of a demonstration (of=) 'state'; known: episode, op"),
        ("relevance:of=end", "unknown part of a demonstration (of=) 'end'; known: episode, openi"),
        ("relevance:query=steps", "unknown query 'steps'; did you mean 'step'?"),
        ("relevance:embedding=pixel", "unknown embedding 'pixel'; did you mean 'pixels'?"),
        ("relevance:embedding=x", "'x'; known: auto, pixels, sentence, state, tfidf"),
        ("relevance:embedding=os:nothing", "the embedding os:nothing cannot be imported: "),
        ("relevance:embedding=icil.tasks:Pool", "icil.tasks:Pool is no function of an observation"),
        (
            "diversity:kmean",
            "unknown method of diversity 'kmean'; did you mean 'kmeans'?",
        ),
        ("diversity:mmr:x", "unknown method of diversity 'mmr:x'; did you mean 'mmr'?"),
        ("diversity:lambda=0.5", "lambda is an option of diversity:mmr; diversity:kmeans has none"),
        ("diversity:mmr:lambda=2", "lambda=2: expected a number from 0 to 1"),
        ("diversity:mmr:lambda=nan", "lambda=nan: expected a number from 0 to 1"),
        ("diversity:mmr:lambda=half", "lambda=half: expected a number from 0 to 1"),
        ("relevance:", "the selector 'relevance:' has the empty piece ''"),
        ("relevance:order=", "the selector 'relevance:order=' has the empty piece 'order='"),
        ("relevance:order=ascending:order=selected", "has 'order' twice; selectors are named NAME"),
        ("hard:by=lenght", "neither length, return, surprise nor a file of scores; did you mean"),
    ],
)
def test_a_wrong_name_is_answered_with_what_there_is(name, message):
    with pytest.raises(UsageError) as error:
        selectors.make(name)
    assert message in str(error.value)


def test_selectors_of_others_take_options_by_their_names(monkeypatch):
    class Picky(RandomSelector):
        def __init__(self, *, taste: str = "plain", lambda_: str = "0") -> None:
            super().__init__()
            self.taste, self.weight = taste, lambda_

    monkeypatch.setattr(selectors._REGISTRY, "_factories", {"picky": Picky, "family:": Picky})
    made = selectors.make("picky:taste=sweet:lambda=7")
    assert (made.taste, made.weight) == ("sweet", "7")
    assert selectors.find("picky:taste=sweet").make({"lambda_": "8"}).weight == "8"
    with pytest.raises(UsageError, match="takes no option 'tast'; its options are lambda, taste"):
        selectors.make("picky:tast=sweet")


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


def test_more_than_there_are_cannot_be_drawn(draw):
    with pytest.raises(PoolError, match="41 demonstrations of tic_tac_toe were asked for; 40 are"):
        draw(41)
