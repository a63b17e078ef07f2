"""What a machine lacks is found before a run makes anything."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from icil.harness import Experiment, run
from icil.tasks import UsageError


@pytest.mark.parametrize(
    ("task", "format", "variable", "value", "said"),
    [
        ("chess", "fen", "ICIL_STOCKFISH", "/no/engine", "no chess engine at"),
        ("cheetah", "rgb", "MUJOCO_GL", "rubbish", "cannot draw the cheetah"),
    ],
)
def test_a_missing_part_leaves_nothing_behind(
    task, format, variable, value, said, tmp_path, monkeypatch
):
    monkeypatch.setenv(variable, value)
    another = ThreadPoolExecutor(1)  # one that has not drawn before
    monkeypatch.setattr("icil.tasks.mujoco_pictures._artist", lambda process: another)
    experiment = Experiment(
        task=(task,), format=(format,), agent=("nearest",), demos=(1,), episodes=1
    )
    with pytest.raises(UsageError, match=said):
        run(experiment, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_on_record_needs_no_engine(tmp_path, monkeypatch):
    monkeypatch.setenv("ICIL_STOCKFISH", "/no/engine")
    experiment = Experiment(task=("chess",), agent=("random", "expert"), demos=(0,), episodes=5)
    summary = run(experiment, tmp_path / "run")
    assert {row.episodes for row in summary.leaderboard.rows} == {5}
