"""What action languages cost and lose, measured on a pool."""

from itertools import chain

import numpy as np
import pytest

from icil.tasks import PoolError, UsageError, load_pool_for, make
from icil.tasks.languages import Fast, cut, fit
from icil.tasks.languages.chunks import all_actions
from icil.tasks.languages.measuring import MEASURED, measure

TASK = make("cheetah")
ACTIONS = list(all_actions(TASK, load_pool_for(TASK).demonstrations[:30]))


def words(text):
    return len(text.split())


def test_each_language_is_measured_on_the_same_chunks():
    found = {one.language: one for one in measure(ACTIONS, 10, words)}
    assert tuple(found) == MEASURED
    assert {one.chunks for one in found.values()} == {300}
    assert {one.steps for one in found.values()} == {10}
    assert found["decimals:2"].tokens == found["integers:0-100"].tokens == 60
    assert found["fast"].characters < found["dct"].characters < found["decimals:2"].characters
    assert found["decimals:3"].error < found["decimals:2"].error < found["dct"].error < 0.02
    assert all(one.error <= one.worst for one in found.values())


def test_fasts_own_tokens_are_counted_with_what_it_learned_of_all_chunks():
    found = {one.language: one for one in measure(ACTIONS, 10, words, most=7)}
    every = list(chain.from_iterable(cut(done, 10) for done in ACTIONS))
    language = Fast(10, 6, fit(every))
    chosen = [every[int(place)] for place in np.linspace(0, len(every) - 1, 7)]
    assert found["fast"].chunks == 7
    assert found["fast"].own_tokens == np.mean([len(language.tokens(one)) for one in chosen])
    assert found["fast"].tokens == found["fast"].own_tokens  # a token is a word
    assert found["dct"].own_tokens is None


def test_what_comes_back_is_compared_with_what_was_done():
    wide = [np.array([[0.333, -1.0], [0.333, 1.0]])]
    (found,) = measure(wide, 1, words, names=["decimals:0"])
    assert found.error == pytest.approx(0.333 / 4)


def test_what_cannot_be_measured():
    with pytest.raises(PoolError, match="there are none"):
        list(measure([], 10, words))
    with pytest.raises(UsageError, match="unknown action language 'dctt'"):
        list(measure(ACTIONS, 10, words, names=["dctt"]))
