"""What is written at the end of a run, whatever became of the run."""

from contextlib import closing

import pytest

from icil.harness import Experiment, FakeModel, run
from icil.harness.playing.finishing import write_all
from icil.harness.testing import fail_first
from icil.results import open_run


def test_all_is_written_where_every_episode_of_an_agent_is_in_error(play):
    dead = FakeModel("a1", faults=fail_first(10**9))
    summary = play(agents={"fake": dead}, demos=(0,))
    assert summary.errors == 6
    assert write_all(summary.folder) == ()
    assert "<html" in (summary.folder / "report.html").read_text("utf-8")


def test_reference_players_on_record_tell_whether_they_met_the_goal(tmp_path):
    pytest.importorskip("metaworld")
    experiment = Experiment(
        task=("metaworld/reach-v3",),
        format=("proprio",),
        agent=("expert", "random"),
        demos=(0,),
        episodes=2,
    )
    folder = run(experiment, tmp_path / "run").folder
    with closing(open_run(folder)) as store:
        _, rows = store.rows(
            "SELECT c.agent, MAX(s.success), COUNT(s.success) - COUNT(*) FROM steps s "
            "JOIN episodes e ON e.id = s.episode JOIN cells c ON c.id = e.cell GROUP BY 1"
        )
    assert sorted(rows) == [("expert", 1, 0), ("random", 0, 0)]
