"""The examples do what they say."""

import importlib.util
import sys
from pathlib import Path

import pytest

from icil import tasks
from icil.tasks.conformance import check_task

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def own_task(monkeypatch):
    """The example, whose task is registered for one test only."""
    registry = tasks.tasks._REGISTRY
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    spec = importlib.util.spec_from_file_location("own_task", EXAMPLES / "own_task.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "own_task", module)
    spec.loader.exec_module(module)
    return module


def test_the_task_of_one_s_own_keeps_all_rules(own_task):
    assert check_task(tasks.make("count_to_ten"), "count_to_ten") == ()


def test_the_task_of_one_s_own_is_played(own_task, tmp_path, capsys):
    own_task.main(tmp_path)
    *lines, path = capsys.readouterr().out.splitlines()
    scores = {tuple(line.split()[:2]): float(line.split()[2]) for line in lines}
    assert Path(path) == tmp_path / "run" / "leaderboard.csv"
    assert scores["expert", "0"] == 1.0
    assert scores["random", "0"] < 0.5
    assert scores["nearest", "16"] > scores["nearest", "0"]
