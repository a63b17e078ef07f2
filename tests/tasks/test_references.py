"""The reference episodes that ship: whose they are, and that they are true."""

import json
import shutil

import pytest

from icil.tasks import PoolError, demonstrate, load_pool, load_pool_for, make, replay
from icil.tasks import references as module
from icil.tasks.pools import read_card
from icil.tasks.references import load_references, shipped_references

SHIPPED = ("atari/phoenix", "cheetah", "chess", "crossword", "gridworld", "tic_tac_toe")
QUICK = ("crossword", "gridworld", "tic_tac_toe")


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("player", ["random", "expert"])
def test_they_are_of_the_first_evaluation_openings(name, player):
    task = make(name)
    found = load_references(task)[player]
    assert sorted(found) == list(range(200))
    openings = task.openings("evaluation")
    for index in (0, 1, 199):
        assert found[index].opening == openings[index]
    card = read_card(shipped_references(name, player))
    assert (card.split, card.task_version, card.played) == ("evaluation", task.version, 200)
    assert (card.expert == "random") == (player == "random")


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("player", ["random", "expert"])
def test_they_are_what_the_world_does(name, player):
    task = make(name)
    for index in (0, 117):
        recorded = load_references(task)[player][index]
        assert len(list(replay(task, recorded))) == len(recorded.steps)


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("player", ["random", "expert"])
def test_they_are_what_the_player_does(name, player):
    task = make(name)
    for index, recorded in list(load_references(task)[player].items())[:40]:
        assert demonstrate(task, recorded.opening, f"{index:05d}", player) == recorded


def test_other_settings_have_none():
    assert set(load_references(make("crossword"))) == {"expert", "random"}
    assert load_references(make("crossword", {"illegal": "end"})) == {}


def test_other_versions_have_none(monkeypatch):
    task = make("gridworld")
    monkeypatch.setattr(type(task), "version", task.version + 1)
    assert load_references(task) == {}


def test_damage_is_named(tmp_path, monkeypatch):
    shutil.copytree(shipped_references("gridworld", "random").parent, tmp_path / "gridworld")
    monkeypatch.setattr(module, "_SHIPPED", tmp_path)
    traces = tmp_path / "gridworld" / "random" / "traces.jsonl.gz"
    traces.write_bytes(traces.read_bytes()[:-100])
    with pytest.raises(PoolError, match="cannot be read"):
        load_references(make("gridworld"))


def test_no_model_is_shown_one(tmp_path):
    folder = shipped_references("gridworld", "expert")
    assert load_pool(folder).demonstrations
    with pytest.raises(PoolError, match="evaluation split, which is not to be shown"):
        load_pool_for(make("gridworld"), folder)
    assert json.loads((folder / "card.json").read_text())["split"] == "evaluation"
