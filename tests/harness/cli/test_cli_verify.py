"""`icil verify`: exit codes, the table, JSON, and bad input in one line."""

import json
import os
import sqlite3
from contextlib import closing

import pytest


@pytest.fixture
def folder(play):
    return play(episodes=2, demos=(0, 1)).folder


def by_hand(folder, statement):
    with closing(sqlite3.connect(folder / "run.sqlite")) as db, db:
        db.execute(statement)


def test_a_true_run_is_said_to_be_true(folder, icil):
    said = icil("verify", folder)
    assert said.code == 0
    assert said.out.splitlines()[-1] == "nothing is wrong"
    assert "8 done (finished); 8 played again" in said.out
    found = json.loads(icil("verify", folder, "--json").out)
    assert (found["true"], found["faults"], found["unchecked"]) == (True, [], [])
    assert (found["replayed"], found["finished"]) == (8, True)


def test_what_is_wrong_is_listed(folder, icil):
    by_hand(
        folder,
        "UPDATE episodes SET score = 7 WHERE opening = 1 AND cell = (SELECT id FROM cells "
        "WHERE agent = 'nearest' AND selector = 'random' AND demonstrations = 1)",
    )
    said = icil("verify", folder, "--workers", 2)
    assert said.code == 1
    assert "1 fault" in said.out
    row = next(line for line in said.out.splitlines() if "score" in line)
    assert "tic_tac_toe ascii nearest random 1, opening 1" in row
    said = icil("verify", folder, "--json")
    assert said.code == 1
    (fault,) = json.loads(said.out)["faults"]
    assert (fault["place"], fault["column"], fault["stored"]) == ("episodes", "score", "7.0")
    assert float(fault["right"]) in (0.0, 0.5, 1.0, -1.0)
    assert "value" not in fault


def test_a_table_that_was_changed_is_named(folder, icil):
    path = folder / "leaderboard.csv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("tic_tac_toe", "tic_tac_toe", 1).replace(",2,0,", ",3,0,", 1)
    path.write_text("\n".join(lines) + "\n")
    said = icil("verify", folder)
    assert said.code == 1
    assert "leaderboard.csv" in said.out
    assert "episodes" in said.out


def test_what_somebody_wrote_reaches_no_terminal_raw(folder, icil):
    by_hand(folder, "UPDATE steps SET reason = char(27) || '[31m[bold]x' WHERE step = 0")
    said = icil("verify", folder)
    assert said.code == 1
    assert "\x1b" not in said.out
    assert "[bold]x" in said.out


@pytest.mark.parametrize(
    ("damage", "says", "code"),
    [
        (lambda f: (f / "run.sqlite").unlink(), "holds no run", 2),
        (lambda f: os.truncate(f / "run.sqlite", 5000), "damaged", 1),
        (lambda f: (f / "run.sqlite").write_bytes(b""), "is empty", 1),
        (lambda f: by_hand(f, "UPDATE meta SET value = '99' WHERE key = 'layout'"), "layout 99", 1),
        (lambda f: by_hand(f, "UPDATE meta SET value = 'x' WHERE key = 'icil'"), None, 1),
        (lambda f: by_hand(f, "DROP TABLE seals"), "no such table", 1),
    ],
)
@pytest.mark.parametrize("what", ["verify", "show"])
def test_what_is_no_run_or_no_longer_is_told_in_a_line(folder, icil, what, damage, says, code):
    damage(folder)
    said = icil(what, folder)
    if says is None or (what == "show" and says == "no such table"):
        assert said.code in (0, 1)
        return
    assert (said.code, said.out) == (code, "")
    assert says in said.err
    assert said.err.count("\n") == 1


def test_a_run_of_errors_and_one_of_an_episode_are_shown_and_true(play, icil):
    from icil.harness import FakeModel
    from icil.tasks import ModelError

    def fail(turn):
        raise ModelError("gone", fault="unavailable")

    failed = play("failed", agents={"model": FakeModel(fail)}, episodes=1, demos=(0,)).folder
    for folder in (failed, play("one", episodes=1, demos=(0,)).folder):
        assert icil("verify", folder).code == 0
        assert icil("show", folder).code == 0
        assert "nan" not in icil("show", folder).out.lower()
        assert "NaN" not in icil("show", folder, "--json").out
