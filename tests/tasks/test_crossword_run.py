"""Crossword in the harness: the built-in agents play it."""

import pytest

from icil.harness import Experiment, run
from icil.tasks import build_pool, register, save_pool, tasks
from icil.tasks.crossword import Crossword
from icil.tasks.registry import Registry


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """A few demonstrations, with the task registered for the time of the test."""
    monkeypatch.setattr(tasks, "_REGISTRY", Registry("task", "icil.tasks", {}))
    register("crossword")(Crossword)
    folder = tmp_path / "pool"
    save_pool(build_pool(Crossword(), 12), folder)
    return folder


@pytest.mark.parametrize("legal_actions", [False, True])
def test_the_built_in_agents_play_it(pool, tmp_path, legal_actions):
    experiment = Experiment(
        task=("crossword",), demos=(0, 2), episodes=4, legal_actions=legal_actions, pool=(pool,)
    )
    summary = run(experiment, tmp_path / "run")
    rows = {(row.agent, row.demonstrations): row for row in summary.leaderboard.rows}
    assert {agent for agent, _ in rows} == {"random", "expert", "nearest"}
    for row in rows.values():
        assert (row.episodes, row.errors) == (4, 0)
