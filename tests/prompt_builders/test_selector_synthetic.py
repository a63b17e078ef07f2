"""The synthetic selector: what it draws from, and how."""

from collections import Counter

import numpy as np
import pytest

from icil.prompt_builders import Query, selectors
from icil.prompt_builders.selectors.conformance import check_selector
from icil.tasks import UsageError


def test_it_adds_to_the_pool_what_its_filters_keep(task, pool):
    wide = selectors.make("synthetic:n=60:noise=0.5").extend(task, pool)
    assert wide.demonstrations[: len(pool.demonstrations)] == pool.demonstrations
    how = wide.card.synthesis
    assert (how.generated, how.settings["noise"], how.added_to) == (60, 0.5, pool.hash)
    assert [one.filter for one in how.filters] == ["return>=median", "distinct"]
    assert 0 < how.kept == len(wide.demonstrations) - len(pool.demonstrations)
    assert selectors.make("synthetic:noise=0.5:n=60").extend(task, pool) == wide


def test_it_can_leave_out_the_real_ones(task, pool):
    alone = selectors.make("synthetic:n=60:add=no").extend(task, pool)
    both = selectors.make("synthetic:n=60:add=yes").extend(task, pool)
    assert alone.demonstrations == both.demonstrations[len(pool.demonstrations) :]
    assert alone.demonstrations


def test_it_draws_from_both_kinds_alike_and_nests(task, pool):
    selector = selectors.make("synthetic:n=60:noise=0.5")
    wide = selector.extend(task, pool)
    query = Query(task=task, format="ascii", opening=task.openings("evaluation")[0])
    kinds = Counter()
    for seed in range(200):
        chosen = selector.select(wide, query, 8, np.random.default_rng(seed))
        fewer = selector.select(wide, query, 3, np.random.default_rng(seed))
        assert chosen.ids[:3] == fewer.ids
        assert selector.nested
        assert chosen.reasons == tuple(
            f"drawn uniformly; {'synthetic' if id in wide.by_id.keys() - pool.by_id else 'real'}"
            for id in chosen.ids
        )
        kinds.update(chosen.reasons)
    share = wide.card.synthesis.kept / len(wide.demonstrations)
    assert kinds["drawn uniformly; synthetic"] / 1600 == pytest.approx(share, abs=0.05)


def test_it_keeps_its_contract():
    assert check_selector(selectors.make("synthetic")) == ()


def test_its_settings_tell_all_that_decides_what_it_draws_from():
    assert selectors.make("synthetic:n=7:noise=0.5:add=no").settings == {
        "n": 7,
        "noise": 0.5,
        "add": False,
        "filters": ["return>=median", "distinct"],
    }
    assert selectors.make("synthetic").settings == selectors.make("synthetic:n=100").settings


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("synthetic:n=0", "n=0: expected a whole number of episodes, 1 or more"),
        ("synthetic:n=ten", "n=ten: expected a whole number"),
        ("synthetic:noise=2", "noise=2: expected a number from 0 to 1"),
        ("synthetic:add=maybe", "unknown value of add 'maybe'; known: no, yes"),
        ("synthetic:many=3", "takes no option 'many'; its options are add, n, noise"),
    ],
)
def test_options_that_cannot_be_are_refused(name, said):
    with pytest.raises(UsageError, match=said):
        selectors.make(name)
