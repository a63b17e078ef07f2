"""Killed again and again at moments drawn at random, a run still ends as if undisturbed."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

from icil.results.store import FILE_NAME

KILLS = 10

MODEL = """
import os, sys
from pathlib import Path
from icil.harness import Experiment, FakeModel, run

SAID = ("a1", "b2", "c3", "a3", "c2", "z9", "")
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def answer(turn):
    found = turn.episode
    os.write(log, f"{len(found.demonstrations)} {found.opening.index} {turn.step}\\n".encode())
    return SAID[turn.prompt.hash[0] % len(SAID)]

run(
    Experiment(task=("tic_tac_toe",), format=("ascii",), agent=("fake",), demos=(0, 2),
               episodes=160),
    Path(sys.argv[1]),
    agents={"fake": FakeModel(answer, latency_s=0.01)},
    concurrency=4,
)
"""


def steps(folder):
    """How many steps are stored, and those of the fake model."""
    path = folder / FILE_NAME
    if not path.exists():
        return 0, set()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        (count,) = db.execute("SELECT COUNT(*) FROM steps").fetchone()
        rows = db.execute(
            "SELECT c.demonstrations, e.opening, s.step FROM steps s "
            "JOIN episodes e ON e.id = s.episode JOIN cells c ON c.id = e.cell "
            "WHERE c.agent = 'fake' AND s.attempt = e.attempt"
        )
        return count, set(rows.fetchall())


def all_steps(folder):
    return steps(folder)[0]


def fake_steps(folder):
    return len(steps(folder)[1])


def kill_somewhere(arguments, folder, draw, count=all_steps):
    """Starts a process and kills it: mostly after some new steps, at times while it starts.

    Returns whether it was killed before it had ended by itself.
    """
    starting = draw.random() < 0.2
    wanted = 0 if starting else count(folder) + draw.randrange(1, 60)
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while process.poll() is None and count(folder) < wanted:
            time.sleep(0.003)
        time.sleep(draw.random() * (0.6 if starting else 0.02))
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        said = process.communicate()[1].decode()
    assert process.returncode in (0, -signal.SIGKILL), (process.returncode, said)
    assert said == ""
    return process.returncode != 0


def finish(arguments):
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, timeout=120)


def test_the_embedded_players_killed_ten_times(tmp_path, command):
    arguments = [
        *command,
        "run",
        "--task",
        "tic_tac_toe",
        "--format",
        "ascii",
        "--agent",
        "nearest",
    ]
    arguments += ["--agent", "random", "--demos", "0,3,9", "--episodes", "150", "--out"]
    finish([*arguments, str(tmp_path / "whole")])
    draw, kills, folders = random.Random(1), 0, [tmp_path / "killed0"]
    while kills < KILLS:
        if kill_somewhere([*arguments, str(folders[-1])], folders[-1], draw):
            kills += 1
        else:  # it was too quick; ten times are ten times
            folders.append(tmp_path / f"killed{len(folders)}")
    for folder in folders:
        finish([*arguments, str(folder)])
        for name in ("leaderboard.csv", "experiment.yaml"):
            assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_model_killed_ten_times_is_never_asked_again_what_it_answered(tmp_path, contents):
    whole, killed, log = (tmp_path / name for name in ("whole", "killed", "log"))
    script = [sys.executable, "-c", MODEL]
    finish([*script, str(whole), str(tmp_path / "whole.log")])
    draw = random.Random(2)
    for number in range(KILLS + 1):
        _, kept = steps(killed)
        log.unlink(missing_ok=True)
        if number < KILLS:
            assert kill_somewhere([*script, str(killed), str(log)], killed, draw, fake_steps)
        else:
            finish([*script, str(killed), str(log)])
        lines = log.read_text().splitlines() if log.exists() else []
        asked = [tuple(map(int, line.split())) for line in lines]
        assert len(asked) == len(set(asked))
        assert not kept & set(asked)
    assert kept, "it was killed before it had answered anything"
    assert contents(killed).essence() == contents(whole).essence()
    assert (killed / "leaderboard.csv").read_bytes() == (whole / "leaderboard.csv").read_bytes()


def test_a_command_that_is_interrupted_says_how_to_go_on_and_does(tmp_path, command):
    arguments = [*command, "run", "--task", "tic_tac_toe", "--format", "ascii", "--demos", "0,3"]
    arguments += ["--episodes", "150", "--out"]
    process = subprocess.Popen(
        [*arguments, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while steps(tmp_path / "run")[0] < 30 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert " ".join(err.split()).startswith("stopped; the same command goes on (")
    assert "Traceback" not in err
    finish([*arguments, str(tmp_path / "run")])
    finish([*arguments, str(tmp_path / "whole")])
    one, other = ((tmp_path / run / "leaderboard.csv").read_bytes() for run in ("run", "whole"))
    assert one == other
