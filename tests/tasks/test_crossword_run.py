"""Crossword in the harness: the built-in agents play it."""

import pytest

from icil.harness import Experiment, run


@pytest.mark.parametrize("legal_actions", [False, True])
def test_the_built_in_agents_play_it(tmp_path, legal_actions):
    experiment = Experiment(
        task=("crossword",), demos=(0, 2), episodes=4, legal_actions=legal_actions
    )
    summary = run(experiment, tmp_path / "run")
    rows = {(row.agent, row.demonstrations): row for row in summary.leaderboard.rows}
    assert set(rows) == {("random", 0), ("expert", 0), ("nearest", 0), ("nearest", 2)}
    for row in rows.values():
        assert (row.episodes, row.errors) == (4, 0)
    assert rows["expert", 0].score_mean >= 8
