"""Verifying runs that somebody changed by hand: each change is named, with its place."""

import csv
import io
import json
from contextlib import closing

import pytest

from icil.harness.verifying import verify
from icil.results import make_leaderboard, open_run
from icil.results.verifying import check_files

STEP = """
episode = (SELECT e.id FROM episodes e JOIN cells c ON c.id = e.cell
           WHERE c.agent = 'model' AND c.format = 'rgb' AND c.demonstrations = 2
           AND e.opening = 3)
AND step = 1
"""
EPISODE = "id = (SELECT MIN(episode) FROM steps WHERE model IS NOT NULL)"
UNKNOWN = object()
"""What it was is covered by a seal alone."""
STEPS = {
    "reply": ("'c1'", UNKNOWN),
    "status": ("CASE status WHEN 'ok' THEN 'invalid' ELSE 'ok' END", None),
    "otherwise": ("COALESCE(otherwise, 'x') || 'y'", None),
    "reason": ("COALESCE(reason, 'x') || 'y'", None),
    "reward": ("reward + 0.5", None),
    "prompt": ("randomblob(16)", None),
    "images": ("images + 1", None),
    "shown": ("randomblob(16)", UNKNOWN),
    "question": ("randomblob(32)", UNKNOWN),
    "prefix": ("randomblob(16)", UNKNOWN),
    "input_tokens": ("input_tokens + 1", UNKNOWN),
    "cached_input_tokens": ("cached_input_tokens + 1", UNKNOWN),
    "output_tokens": ("output_tokens + 1", UNKNOWN),
    "cost_usd": ("1.5", UNKNOWN),
    "latency_s": ("12.5", UNKNOWN),
    "model": ("'another'", UNKNOWN),
    "parameters": ("'{}'", UNKNOWN),
    "agrees": ("1 - agrees", UNKNOWN),
    "copies": ("1 - COALESCE(copies, 0)", UNKNOWN),
    "expected": ("'[]'", UNKNOWN),
}
EPISODES = {
    "score": ("score + 1", None),
    "opening": ("opening + 100", UNKNOWN),
    "message": ("'fine'", UNKNOWN),
    "left_out": ("left_out + 1", UNKNOWN),
    "demonstrations": ("'[\"x\"]'", UNKNOWN),
}
CELLS = {
    "agent": ("'better'", None),
    "selector": ("'diversity'", None),
    "demonstrations": ("demonstrations + 1", None),
    "hash": ("'0123456789abcdef'", None),
    "options": ("'{}'", None),
    "asked": ("1 - asked", UNKNOWN),
}


def named(found, place, column):
    """The faults of a column, which are there; nothing else in the store is said to be wrong."""
    inside = [f for f in found.faults if not f.place.endswith(".csv")]
    assert {(fault.place, fault.column) for fault in inside} == {(place, column)}
    return inside


@pytest.mark.parametrize("column", STEPS)
def test_a_change_in_a_step_is_named(folder, change, look, column):
    before, value = look(f"SELECT {column}, {STEPS[column][0]} FROM steps WHERE {STEP}")
    change(f"UPDATE steps SET {column} = {STEPS[column][0]} WHERE {STEP}")
    (fault,) = named(verify(folder), "steps", column)
    assert (fault.cell, fault.opening, fault.step) == ("tic_tac_toe rgb model random 2", 3, 1)
    if STEPS[column][1] is UNKNOWN:
        assert fault.right is None
    else:
        assert fault.right is not None
        assert fault.value == before
        assert "random" in column or fault.stored != fault.right
    assert isinstance(value, bytes) or fault.stored == shown(value)


def shown(value):
    return repr(value) if isinstance(value, str) else str(value)


def test_an_action_that_was_not_played_is_named(folder, change, look):
    where = "status = 'ok' AND model IS NOT NULL"
    action, episode, step = look(f"SELECT action, episode, step FROM steps WHERE {where} LIMIT 1")
    change(f"UPDATE steps SET action = 'z9' WHERE episode = {episode} AND step = {step}")
    (fault,) = named(verify(folder), "steps", "action")
    assert (fault.episode, fault.step) == (episode, step)
    assert (fault.stored, fault.right) == ("'z9'", repr(action))


def test_what_replaced_a_wrong_reply_is_drawn_again(folder, change, look):
    where = "status = 'invalid' AND reward IS NOT NULL AND step = 0 AND model IS NOT NULL"
    episode, action = look(f"SELECT episode, action FROM steps WHERE {where} LIMIT 1")
    change(
        f"UPDATE steps SET action = '{'a1' if action != 'a1' else 'a2'}' "
        f"WHERE episode = {episode} AND step = 0",
        # Whoever changes a number may as well take the seal away, and is found all the same.
        f"UPDATE episodes SET seal = NULL WHERE id = {episode}",
    )
    faults = {(f.place, f.column, f.step): f for f in verify(folder).faults}
    assert faults["steps", "action", 0].right == repr(action)
    assert ("episodes", "seal", None) in faults


@pytest.mark.parametrize("column", EPISODES)
def test_a_change_in_an_episode_is_named(folder, change, look, column):
    text, kind = EPISODES[column]
    id, opening, before, value = look(
        f"SELECT id, opening, {column}, {text} FROM episodes WHERE {EPISODE}"
    )
    change(f"UPDATE episodes SET {column} = {text} WHERE {EPISODE}")
    (fault,) = named(verify(folder), "episodes", column)
    assert fault.episode == id
    assert fault.opening == (value if column == "opening" else opening)
    assert fault.right == (None if kind is UNKNOWN else str(before))
    assert fault.stored == shown(value)


@pytest.mark.parametrize("column", CELLS)
def test_a_change_in_a_cell_is_named(folder, change, look, column):
    text, kind = CELLS[column]
    where = "agent = 'model' AND demonstrations = 2"
    before, _ = look(f"SELECT {column}, id FROM cells WHERE {where}")
    change(f"UPDATE cells SET {column} = {text} WHERE {where}")
    (fault,) = named(verify(folder), "cells", column)
    assert (fault.right is None) == (kind is UNKNOWN)
    assert kind is UNKNOWN or fault.value == before


@pytest.mark.parametrize(
    ("statement", "place", "column"),
    [
        ("UPDATE meta SET value = '\"0\"' WHERE key = 'icil'", "meta", "icil"),
        ("UPDATE meta SET value = '\"0\"' WHERE key = 'experiment_hash'", "meta", None),
        ("UPDATE software SET description = '{}'", "software", "description"),
        ("UPDATE imitation SET departs = 77 WHERE departs = 0", "imitation", "departs"),
        ("UPDATE parts SET content = content || 'x' WHERE rowid = 1", "parts", "content"),
        ("UPDATE seals SET seal = randomblob(16) WHERE name = 'cells'", "cells", ""),
        ("DELETE FROM steps WHERE step = 1", "steps", ""),
        ("DELETE FROM parts WHERE kind = 'png'", "steps", ""),
        ("UPDATE steps SET reward = 9e999 WHERE step = 0", "steps", "reward"),
        ("UPDATE steps SET reward = 'much' WHERE step = 0", "steps", "reward"),
        ("UPDATE episodes SET demonstrations = '[' WHERE id = 2", "episodes", "demonstrations"),
        ("UPDATE meta SET value = '[]' WHERE key = 'formats'", "meta", "formats"),
        ("DELETE FROM meta WHERE key = 'experiment'", "meta", "experiment"),
        ("UPDATE meta SET value = '{}' WHERE key = 'experiment'", "meta", "experiment"),
        ("UPDATE cells SET task = 'chess' WHERE id = 1", "cells", "task"),
        ("UPDATE episodes SET score = NULL WHERE id = 2", "episodes", "score"),
        ("UPDATE steps SET outcome = '[1,2]' WHERE step = 0", "steps", "outcome"),
    ],
)
def test_whatever_is_changed_is_named_and_never_a_traceback(
    folder, change, statement, place, column
):
    change(statement)
    found = verify(folder)
    assert not found.true
    columns = {fault.column for fault in found.faults if fault.place == place}
    assert (column in columns) if column is not None else columns
    json.dumps([fault.what for fault in found.faults])


def test_an_episode_that_was_taken_away_is_named(folder, change):
    change("DELETE FROM steps WHERE episode = 3", "DELETE FROM episodes WHERE id = 3")
    found = verify(folder)
    assert [f.episode for f in found.faults if f.what == "this episode was taken away"] == [3]


def test_an_episode_under_another_status_is_named(folder, change):
    change("UPDATE episodes SET status = 'error', score = NULL WHERE id = 3")
    found = verify(folder)
    faults = {(f.place, f.column): f for f in found.faults if f.episode == 3}
    assert faults.keys() == {("episodes", "status"), ("episodes", "score")}
    assert faults["episodes", "status"].right == "'done'"


def test_several_changes_in_an_episode_are_all_named(folder, change):
    change(
        f"UPDATE steps SET input_tokens = 1 WHERE {STEP}",
        f"UPDATE steps SET cost_usd = 2.5 WHERE {STEP}",
        f"UPDATE steps SET latency_s = 3.5 WHERE {STEP.replace('step = 1', 'step = 2')}",
    )
    columns = {(f.step, f.column) for f in verify(folder).faults if f.place == "steps"}
    assert columns >= {(1, "input_tokens"), (1, "cost_usd"), (2, "latency_s")}
    assert {step for step, _ in columns} == {1, 2}
    assert {column for _, column in columns} == {"input_tokens", "cost_usd", "latency_s"}


def fields(path):
    return list(csv.reader(io.StringIO(path.read_text())))


@pytest.mark.parametrize("name", ["leaderboard.csv", "gaps.csv", "imitation.csv", "provenance.csv"])
def test_every_number_of_every_table_is_watched(folder, name):
    path = folder / name
    for other in {*folder.glob("*.csv")} - {path}:
        other.unlink()  # each that is there is made anew to be compared
    rows = fields(path)
    row = len(rows) // 2
    (row_before, wrong) = rows[row], []
    for place, column in enumerate(rows[0]):
        changed = [*row_before]
        changed[place] = "7" if changed[place] == "" else changed[place] + "1"
        text = "\n".join(",".join(one) for one in [*rows[:row], changed, *rows[row + 1 :]]) + "\n"
        path.write_text(text)
        found = [(f.place, f.column) for f in verify_tables(folder)]
        if found != [(name, column)]:
            wrong.append((column, found))
    assert wrong == []


def verify_tables(folder):
    with closing(open_run(folder)) as store:
        return check_files(store, folder, finished=True).faults


def test_a_number_that_was_changed_everywhere_is_named_everywhere(folder, change):
    """Scores are changed in the store, and the table made anew of that."""
    mine = ["tic_tac_toe", "rgb", "model", "random", "2"]

    def score_mean():
        header, *rows = fields(folder / "leaderboard.csv")
        (row,) = [row for row in rows if row[1:6] == mine]
        return row[header.index("score_mean")]

    before = score_mean()
    change(
        "UPDATE episodes SET score = 0.25 WHERE cell = "
        "(SELECT id FROM cells WHERE agent = 'model' AND demonstrations = 2)"
    )
    with closing(open_run(folder)) as store:
        make_leaderboard(store).write(folder / "leaderboard.csv")
    assert score_mean() == "0.25" != before
    found = verify(folder).faults
    assert {(f.column, f.stored) for f in found if f.place == "episodes"} == {("score", "0.25")}
    told = {(f.column, f.stored, f.right) for f in found if f.place == "leaderboard.csv"}
    assert ("score_mean", "'0.25'", repr(before)) in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "other columns"),
        ("rank,task\n1,2\n", "other columns"),
        ('"rank\n', "is not CSV"),
        ("\ud800", "cannot be read"),
    ],
)
def test_a_table_that_is_none_is_told(folder, text, says):
    (folder / "leaderboard.csv").write_bytes(text.encode(errors="surrogatepass"))
    (fault,) = verify_tables(folder)
    assert (fault.place, says in fault.what) == ("leaderboard.csv", True)


def test_rows_and_files_that_do_not_belong_are_told(folder):
    path = folder / "leaderboard.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    (fault,) = verify_tables(folder)
    assert fault.what == "this row is missing"
    path.write_text("\n".join([*lines, "1,chess,fen,x,,0" + "," * 22]) + "\n")
    (fault,) = verify_tables(folder)
    assert fault.what == "the store has no such row"
    path.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    (fault,) = verify_tables(folder)
    assert "another order" in fault.what
    path.write_text("\n".join(lines) + "\n")
    (folder / "mine.csv").write_text("a,b\n")
    found = verify(folder)
    assert found.true
    assert [note.partition(":")[0] for note in found.unchecked] == ["mine.csv"]
