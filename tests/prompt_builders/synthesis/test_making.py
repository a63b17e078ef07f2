"""Pools with synthetic demonstrations: what they hold, and what their cards say."""

import json

import pytest

from icil.prompt_builders.synthesis import (
    first_new_opening,
    make_synthetic_pool,
    propose_perturbed,
    read_filter,
)
from icil.tasks import build_pool, load_pool, make, replay, save_pool
from icil.tasks.pools import read_card, save_card, shipped_pool


@pytest.fixture(scope="module")
def task():
    return make("tic_tac_toe")


@pytest.fixture(scope="module")
def real(task):
    return build_pool(task, 30, played=40)


@pytest.fixture(scope="module")
def proposed(task, real):
    return propose_perturbed(task, 0.5, 50, first_new_opening(real))


FILTERS = ("return>=median", "distinct")


def made(task, real, proposed, *, add):
    return make_synthetic_pool(task, real, proposed, list(map(read_filter, FILTERS)), add=add)


def test_openings_are_new_to_the_pool(real, proposed):
    assert first_new_opening(real) == 40
    assert [one.demonstration.opening.index for one in proposed.episodes] == list(range(40, 90))


def test_the_card_tells_how_it_came_about(task, real, proposed):
    pool = made(task, real, proposed, add=False)
    card, how = pool.card, pool.card.synthesis
    assert (how.proposer, how.settings["noise"], how.generated, how.wrong) == (
        "perturbed",
        0.5,
        50,
        0,
    )
    assert how.kept == card.demonstrations == len(pool.demonstrations) < 50
    assert how.generated - sum(one.dropped for one in how.filters) == how.kept
    assert [(one.filter, one.threshold) for one in how.filters] == [
        ("return>=median", 1.0),
        ("distinct", None),
    ]
    assert (how.pool, how.added_to) == (real.hash, None)
    assert (card.expert, card.expert_settings) == ("perturbed", how.settings)
    assert all(one.total >= 1 for one in pool.demonstrations)


def test_those_added_follow_the_real_ones_and_are_marked(task, real, proposed):
    alone, both = (made(task, real, proposed, add=add) for add in (False, True))
    assert both.demonstrations == real.demonstrations + alone.demonstrations
    assert all(one.id == f"s{one.opening.index:05d}" for one in alone.demonstrations)
    assert both.card.synthesis.added_to == real.hash != both.hash
    assert (both.card.expert, both.card.demonstrations) == ("minimax", len(both.demonstrations))
    assert both.card.synthesis.model_dump(exclude={"added_to"}) == (
        alone.card.synthesis.model_dump(exclude={"added_to"})
    )


def test_a_merged_pool_is_a_pool_like_any_other(tmp_path, task, real, proposed):
    pool = made(task, real, proposed, add=True)
    save_pool(pool, tmp_path / "pool")
    assert load_pool(tmp_path / "pool") == pool
    for demonstration in pool.demonstrations:
        assert sum(1 for _ in replay(task, demonstration)) == len(demonstration.steps)
    again = first_new_opening(pool)
    assert again > max(one.opening.index for one in pool.demonstrations)


def test_a_pool_that_was_added_to_can_be_added_to_again(task, real, proposed):
    once = made(task, real, proposed, add=True)
    more = propose_perturbed(task, 0.3, 10, first_new_opening(once))
    twice = make_synthetic_pool(task, once, more, [], add=True)
    assert len(twice.by_id) == len(twice.demonstrations) == len(once.demonstrations) + 10
    assert twice.card.synthesis.filters == ()


@pytest.mark.parametrize("name", ["chess", "cheetah", "gridworld", "tic_tac_toe"])
def test_cards_of_pools_that_ship_are_written_as_they_are(tmp_path, name):
    folder = shipped_pool(name)
    save_card(read_card(folder), tmp_path)
    assert (tmp_path / "card.json").read_bytes() == (folder / "card.json").read_bytes()
    assert "synthesis" not in json.loads((folder / "card.json").read_text("utf-8"))
