"""Verifying runs that nobody changed: nothing is wrong, in whatever way they were played."""

import sqlite3
from contextlib import closing

import pytest

from icil.harness import Experiment, FakeModel, run
from icil.harness.verifying import verify
from icil.prompt_builders.template import DEFAULT
from icil.tasks import ModelError, load_pool_for, make
from icil.tasks.pools import save_pool

from .conftest import say

TOY = {"task": ("tic_tac_toe",), "format": ("ascii",), "episodes": 3, "demos": (0, 2)}
WAYS = {
    "teacher-forced": {"teacher_forced": True, "demos": (1, 3)},
    "reasoning": {"reasoning": True},
    "lenient": {"parse": "lenient"},
    "demonstration sets": {"demo_sets": 2},
    "listed actions": {"legal_actions": True, "past_actions": False},
    "controls": {"selector": ("random", "random+noise=0.5", "random+permute_labels")},
    "windows": {"window": 2},
    "budget": {"context_tokens": (2000,)},
    "another seed": {"seed": 7, "temperature": None},
}


def played(folder, model=say, **fields):
    experiment = Experiment(**{**TOY, "agent": ("model", "random", "nearest"), **fields})
    run(experiment, folder, agents={"model": FakeModel(model)})
    return folder


def true(found):
    assert found.faults == ()
    assert found.unchecked == ()
    assert found.true
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_true_however_it_was_played(way, tmp_path):
    found = true(verify(played(tmp_path / "run", **WAYS[way])))
    assert found.finished
    assert found.replayed == found.episodes["done"] > 0
    assert found.steps > found.replayed


def test_worker_processes_find_what_one_finds(original):
    alone, together = verify(original), true(verify(original, workers=2))
    assert (alone.replayed, alone.steps) == (together.replayed, together.steps)


def test_experts_say_again_what_they_said(original):
    true(verify(original, experts=True))


def test_a_run_with_a_wording_and_a_pool_of_its_own(tmp_path):
    template = tmp_path / "words.yaml"
    template.write_text(DEFAULT.read_text().replace("Action", "Move"))
    task = make("tic_tac_toe")
    pool = load_pool_for(task, None)
    save_pool(pool, tmp_path / "pool")
    found = verify(played(tmp_path / "run", template=template, pool=(tmp_path / "pool",)))
    true(found)
    # Without them the episodes are still played again; what could not be checked is told.
    (tmp_path / "run" / "template.yaml").unlink()
    found = verify(tmp_path / "run")
    assert found.true
    assert ["the wording of its prompts is not here" in note for note in found.unchecked] == [True]
    (tmp_path / "pool" / "card.json").unlink()
    found = verify(tmp_path / "run")
    assert found.true
    assert found.replayed == found.episodes["done"]
    assert ["played again without its demonstrations" in n for n in found.unchecked] == [True]


def test_a_teacher_forced_run_without_its_pool_is_not_played_again(tmp_path):
    save_pool(load_pool_for(make("tic_tac_toe"), None), tmp_path / "pool")
    folder = played(tmp_path / "run", teacher_forced=True, demos=(1,), pool=(tmp_path / "pool",))
    true(verify(folder))
    (tmp_path / "pool" / "traces.jsonl.gz").unlink()
    found = verify(folder)
    assert found.true
    assert found.replayed == 0
    assert [note.partition(":")[0] for note in found.unchecked] == ["tic_tac_toe"]


def test_a_run_with_errors_is_true_and_not_finished(tmp_path):
    calls = []

    def fail(turn):
        calls.append(turn)
        if len(calls) in (2, 5):
            raise ModelError("the server is gone", fault="unavailable")
        return say(turn)

    found = true(verify(played(tmp_path / "run", model=fail)))
    assert found.episodes["error"] == 2
    assert not found.finished
    again = true(verify(played(tmp_path / "run")))
    assert again.finished


def test_a_run_that_was_killed_is_true(tmp_path, folder):
    # As a kill leaves it: some episodes not begun, one in the middle, its last reply unplayed.
    with closing(sqlite3.connect(folder / "run.sqlite")) as db, db:
        (last,) = db.execute("SELECT MAX(id) FROM episodes").fetchone()
        db.execute("DELETE FROM imitation")
        db.execute("DELETE FROM steps WHERE episode = ? AND step > 1", (last,))
        db.execute("UPDATE steps SET reward = NULL WHERE episode = ? AND step = 1", (last,))
        db.execute(
            "UPDATE episodes SET status = 'running', score = NULL, seal = NULL, software = NULL "
            "WHERE id = ?",
            (last,),
        )
    for path in folder.glob("*.csv"):
        path.unlink()
    found = verify(folder)
    # That nothing is left of how the others imitate is no work of a kill.
    assert {fault.place for fault in found.faults} == {"imitation"}
    assert found.episodes["running"] == 1
    assert not found.finished


def test_tables_of_a_run_that_went_on_since_are_told_to_be_old(tmp_path):
    folder = played(tmp_path / "run", demos=(0,))
    old = (folder / "leaderboard.csv").read_bytes()

    def fail(turn):
        if turn.episode.opening.index == 4:
            raise ModelError("the server is gone", fault="unavailable")
        return say(turn)

    played(folder, model=fail, demos=(0,), episodes=5)
    (folder / "leaderboard.csv").write_bytes(old)
    found = verify(folder)
    assert found.true
    assert ["older than the store" in note for note in found.unchecked] == [True]
    # Of a run that is finished, the table should be its own.
    played(folder, demos=(0,), episodes=5)
    (folder / "leaderboard.csv").write_bytes(old)
    assert {fault.place for fault in verify(folder).faults} == {"leaderboard.csv"}


def test_a_run_while_it_is_played_is_true(tmp_path):
    found = []

    def look(turn):
        if turn.step == 1 and not found:
            found.append(verify(tmp_path / "run"))
        return say(turn)

    played(tmp_path / "run", model=look, demos=(0,))
    (now,) = found
    true(now)
    assert now.episodes["running"] > 0


def test_a_run_that_was_widened_is_true(tmp_path):
    folder = played(tmp_path / "run", demo_sets=2)
    played(folder, demo_sets=2, demos=(4,), task=("tic_tac_toe", "gridworld"))
    played(folder, demo_sets=2, demos=(0,), episodes=5, reasoning=True)
    found = true(verify(folder))
    assert found.replayed == found.episodes["done"]
