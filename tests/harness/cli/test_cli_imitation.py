"""`icil imitation` on the command line: what it shows, writes and refuses."""

import csv
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib import import_module

import pytest
from filelock import FileLock

from icil.harness import FakeModel

FILES = ("imitation.csv", "gaps.csv", "leaderboard.csv", "figures")

COMMAND = """
import sys
from importlib import import_module

if __name__ == "__main__":
    main = import_module("icil.harness.cli.main")
    main._COMMANDS.setdefault("imitation", "")
    main.main()
"""


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """The command, whether or not it is listed yet."""
    commands = import_module("icil.harness.cli.main")._COMMANDS
    monkeypatch.setitem(commands, "imitation", "Measure how the agents of a run imitate.")


@pytest.fixture
def folder(play):
    selectors = ("random", "random+noise=1")
    return play(agent=("nearest", "random"), demos=(0, 2), selector=selectors).folder


def test_it_shows_a_line_for_each_cell_and_gap(icil, folder):
    said = icil("imitation", folder)
    assert (said.code, said.err) == (0, "")
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "tic_tac_toe · ascii" in lines
    assert "learned in context: tic_tac_toe · ascii" in lines
    cells = [line for line in lines if line.startswith(("nearest", "random"))]
    agents = [line.split()[:3] for line in cells]
    assert agents == [
        ["nearest", "0", "6"],
        ["nearest", "random", "2"],
        ["nearest", "random+noise=1", "2"],
        ["random", "0", "6"],
        ["nearest", "random", "2"],
        ["nearest", "random", "2"],
    ]
    assert "1.000 [1.00, 1.00]" in cells[1]
    assert [line.split()[3] for line in cells[4:]] == ["0", "noise=1"]
    assert lines[-len(FILES) :] == [str(folder / name) for name in FILES]


def test_it_writes_what_it_shows(icil, folder):
    icil("imitation", folder)
    with (folder / "leaderboard.csv").open() as file:
        board = {(row["agent"], row["selector"]): row for row in csv.DictReader(file)}
    with (folder / "imitation.csv").open() as file:
        steps = [row for row in csv.DictReader(file) if row["selector"] == "random"]
    hits = sum(float(row["agreement"]) * int(row["n"]) for row in steps)
    pooled = hits / sum(int(row["n"]) for row in steps)
    assert float(board["nearest", "random"]["expert_agreement"]) == pytest.approx(pooled, abs=1e-5)


def test_many_folders_one_after_the_other(icil, play, folder):
    other = play("other", demos=(0,), agent=("random",)).folder
    said = icil("imitation", folder, other)
    assert said.code == 0
    assert all((one / name).exists() for one in (folder, other) for name in FILES)
    assert said.out.index(str(folder / FILES[0])) < said.out.index(str(other / FILES[0]))


def test_what_was_not_asked_is_told(icil, play):
    folder = play(agents={"model": FakeModel("a1")}, teacher_forced=True, demos=(1,)).folder
    said = icil("imitation", folder)
    assert said.code == 0
    assert said.err.startswith("the expert of tic_tac_toe was not asked: ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Missing argument"),
        (("none",), "none holds no run: there is no run.sqlite in it"),
        (("none", "--workers", "0"), "Invalid value for '--workers'"),
        (("none", "--slow"), "No such option '--slow'"),
    ],
)
def test_wrong_use_is_one_line(icil, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    said = icil("imitation", *arguments)
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_progress_is_left_alone(icil, folder):
    with FileLock(folder / ".lock"):
        said = icil("imitation", folder)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"icil: {folder} is in use by another process\n"


def test_results_that_cannot_be_written_are_one_line(icil, folder):
    (folder / "gaps.csv").mkdir()
    said = icil("imitation", folder)
    assert said.code == 1
    assert said.err.startswith(f"icil: cannot write the results into {folder}")
    (folder / "gaps.csv").rmdir()
    assert icil("imitation", folder).code == 0


def count(folder):
    with closing(sqlite3.connect(f"{(folder / 'run.sqlite').as_uri()}?mode=ro", uri=True)) as db:
        return db.execute("SELECT COUNT(*) FROM imitation").fetchone()[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_it_says_how_to_go_on(icil, play, tmp_path, workers):
    folder = play(agent=("nearest", "random"), demos=(0, 4), episodes=250).folder
    (tmp_path / "command.py").write_text(COMMAND)
    arguments = [sys.executable, str(tmp_path / "command.py"), "imitation", str(folder)]
    with subprocess.Popen(
        [*arguments, "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while process.poll() is None and count(folder) == 0:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == f"stopped; the same command goes on ({folder})"
    assert "Traceback" not in err
    assert 0 < count(folder) < 750
    assert icil("imitation", folder).code == 0
    assert count(folder) == 750
