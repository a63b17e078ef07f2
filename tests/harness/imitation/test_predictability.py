"""How well a pool's expert is foretold, against counts made by hand."""

import json

import pytest

from icil.harness.imitation.predictability import measure_predictability, record_predictability
from icil.tasks import (
    Pool,
    PoolError,
    UnknownNameError,
    build_pool,
    load_pool,
    load_pool_for,
    make,
    save_pool,
)
from icil.tasks.pools import Predictability, read_card, shipped_pool


@pytest.fixture
def measure(script):
    """Measures demonstrations that are given as what is shown and done in each."""
    card = load_pool_for(make("gridworld")).card

    def measure(*episodes, shown, held_out):
        pool = Pool(
            card=card,
            demonstrations=tuple(
                script.recorded(str(number), texts.split(), list(actions))
                for number, (texts, actions) in enumerate(episodes)
            ),
        )
        return measure_predictability(script, pool, shown=shown, held_out=held_out)

    return measure


def test_shares_are_counted(measure):
    found = measure(
        ("one two three", "aba"),
        ("one six seven", "aac"),
        ("nobody looks", "dd"),
        ("thre two one six", "bbca"),
        ("tw one", "bb"),
        shown=2,
        held_out=2,
    )
    # Where these did b b c a b b, the states most alike did a b a a b a; a is the commonest.
    assert found == Predictability(
        format="text", shown=2, held_out=2, nearest=0.5, commonest=round(1 / 6, 4)
    )


def test_who_passes_through_the_opening_is_not_shown(measure):
    episodes = (("one two", "ab"), ("twx six", "cc"), ("two six", "bc"))
    assert measure(*episodes, shown=2, held_out=1).nearest == 0.5
    elsewhere = (*episodes[:2], ("six two", "cb"))
    assert measure(*elsewhere, shown=2, held_out=1).nearest == 0.5
    assert measure(*episodes[:2], ("ten two", "db"), shown=2, held_out=1).nearest == 0.5


def test_it_is_the_same_each_time_and_in_every_format():
    task = make("tic_tac_toe")
    pool = load_pool_for(task)
    found = [
        measure_predictability(task, pool, format=format, shown=30, held_out=20)
        for format in (None, "ascii", "rgb", "rgb")
    ]
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert found[2].format == "rgb"
    assert found[0].commonest == found[2].commonest


@pytest.mark.parametrize(("shown", "held_out"), [(0, 1), (1, 0), (3, 2)])
def test_a_pool_that_is_too_small_is_refused(measure, shown, held_out):
    with pytest.raises(PoolError, match="the pool of script has 4"):
        measure(*[("one", "a")] * 4, shown=shown, held_out=held_out)


def test_an_unknown_format_is_refused():
    gridworld = make("gridworld")
    with pytest.raises(UnknownNameError, match="format for gridworld"):
        measure_predictability(gridworld, load_pool_for(gridworld), format="fen")


def test_it_is_written_into_the_card_and_nothing_else_changes(tmp_path):
    task = make("gridworld")
    folder = tmp_path / "pool"
    save_pool(build_pool(task, 6), folder)
    before = json.loads((folder / "card.json").read_bytes())
    assert "predictability" not in before
    pool = load_pool(folder)
    found = measure_predictability(task, pool)
    assert (found.shown, found.held_out) == (5, 1)
    record_predictability(found, folder)
    after = json.loads((folder / "card.json").read_bytes())
    assert after.pop("predictability") == found.model_dump()
    assert after == before
    assert load_pool(folder).card.predictability == found
    assert load_pool(folder).demonstrations == pool.demonstrations
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "traces.jsonl.gz"]
    with pytest.raises(PoolError, match="no pool of demonstrations"):
        record_predictability(found, tmp_path / "nothing")


@pytest.mark.parametrize("name", ["atari/phoenix", "chess", "crossword"])
def test_cards_that_ship_say_how_well_their_expert_is_foretold(name):
    card = read_card(shipped_pool(name))
    said = card.predictability
    assert said.format in make(name).formats
    assert (said.shown + said.held_out, said.held_out) == (
        card.demonstrations,
        card.demonstrations // 4,
    )
    assert 0 < said.commonest < said.nearest < 1
