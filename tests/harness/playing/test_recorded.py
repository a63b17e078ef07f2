"""Reference episodes on record: the same as played ones, and looked up, not played."""

import pytest

from icil.harness import Experiment, run
from icil.harness.planning import plan as plan_module
from icil.results import open_run

EXPERIMENT = Experiment(
    task=("tic_tac_toe", "crossword"), agent=("random", "expert"), demos=(0,), episodes=30
)
COLUMNS = "opening, status, score, step, reply, action, reward, outcome, latency_s, s.status"
STEPS = (
    f"SELECT c.task, c.agent, {COLUMNS.replace('status,', 'e.status,', 1)} FROM steps s "
    "JOIN episodes e ON e.id = s.episode JOIN cells c ON c.id = e.cell "
    "WHERE s.attempt = e.attempt ORDER BY c.task, c.agent, e.opening, s.step"
)


def steps(folder):
    store = open_run(folder)
    try:
        return store.rows(STEPS)[1]
    finally:
        store.close()


@pytest.fixture
def unrecorded(monkeypatch):
    def switch():
        monkeypatch.setattr(plan_module, "load_references", lambda task: {})

    return switch


def test_the_store_and_the_leaderboard_are_the_same(tmp_path, unrecorded):
    recorded = run(EXPERIMENT, tmp_path / "recorded")
    unrecorded()
    played = run(EXPERIMENT, tmp_path / "played")
    assert recorded.leaderboard.to_csv() == played.leaderboard.to_csv()
    assert steps(recorded.folder) == steps(played.folder)
    assert len(steps(played.folder)) > 300


def test_nothing_is_played(tmp_path, monkeypatch):
    from icil.harness.playing.episode import Episode

    async def play(self):
        raise AssertionError("an episode on record was played")

    monkeypatch.setattr(Episode, "play", play)
    assert run(EXPERIMENT, tmp_path / "run").episodes == 120


def test_openings_beyond_those_on_record_are_played(tmp_path):
    experiment = EXPERIMENT.model_copy(update={"episodes": 205, "task": ("gridworld",)})
    summary = run(experiment, tmp_path / "run")
    assert {row.episodes for row in summary.leaderboard.rows} == {205}


def test_an_episode_that_was_begun_by_playing_is_entered_as_another_attempt(tmp_path, unrecorded):
    from icil.results import RunStore

    summary = run(EXPERIMENT, tmp_path / "run")
    whole = steps(summary.folder)
    store = RunStore(summary.folder / "run.sqlite")
    store._db.execute("UPDATE episodes SET status = 'running', score = NULL WHERE opening = 3")
    store.close()
    again = run(EXPERIMENT, tmp_path / "run")
    assert steps(again.folder) == whole
    assert again.leaderboard.to_csv() == summary.leaderboard.to_csv()
