"""Rows that are told apart: by ties, by options, by the run that they come from."""

import csv
import io

import pytest

from icil.results import COLUMNS, make_gaps, make_leaderboard, read_scored


@pytest.fixture
def make_run(make_store, play, tmp_path):
    """Returns a function that makes the store of a run with a folder of its own."""

    def make_run(name, scores, sets=None, **meta):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        store = make_store(*scores, path=folder / "run.sqlite", **meta)
        for cell, of_cell in scores.items():
            for opening, score in enumerate(of_cell):
                shown = () if sets is None else (f"set {opening % sets}",)
                play(store, cell, opening, score, shown=shown)
        return store

    return make_run


def shown(board, *columns):
    return [tuple(getattr(row, column) for column in columns) for row in board.rows]


def test_a_row_like_the_one_above_is_tied(make_run, make_cell):
    board = make_leaderboard(
        make_run(
            "run",
            {
                make_cell("best"): [1.0] * 10,
                make_cell("good"): [0.5] * 9 + [0.25],
                make_cell("alike"): [0.5] * 8 + [0.25, 0.5],
                make_cell("same"): [0.5] * 8 + [0.25, 0.5],
            },
        )
    )
    assert shown(board, "rank", "agent", "tied") == [
        (1, "best", False),
        (2, "alike", False),
        (2, "good", True),
        (2, "same", True),
    ]


def test_ties_are_corrected_for_the_number_of_rows(make_run, make_cell):
    """Two rows apart are told apart at 2 / 2⁶; of three steps none is."""
    scores = {make_cell(name): [float(n)] * 6 for n, name in enumerate("ab")}
    assert not any(row.tied for row in make_leaderboard(make_run("two", scores)).rows)
    scores |= {make_cell(name): [float(n)] * 6 for n, name in enumerate("cd", start=2)}
    board = make_leaderboard(make_run("four", scores))
    assert [row.tied for row in board.rows] == [False, True, True, True]


def test_what_an_interval_resamples_is_known(make_run, make_cell):
    for name, sets, drawn in (("own", None, "openings"), ("4", 4, "sets"), ("1", 1, "one set")):
        (row,) = make_leaderboard(make_run(name, {make_cell(): [1.0, 0.0] * 6}, sets)).rows
        assert row.drawn == drawn


def test_sets_that_differ_widen_the_interval(make_run, make_cell):
    scores = {make_cell(): [1.0, 1.0, 0.0, 0.0] * 10}
    (own,) = make_leaderboard(make_run("own", scores)).rows
    (shared,) = make_leaderboard(make_run("shared", scores, sets=4)).rows
    assert shared.score_mean == own.score_mean == 0.5
    width = own.score_ci_high - own.score_ci_low
    assert shared.score_ci_high - shared.score_ci_low > 2 * width


def test_options_that_were_swept_stand_behind_the_name(make_run, make_cell):
    options = {"layout": "single", "template": "0123456789ab"}
    board = make_leaderboard(
        make_run(
            "run",
            {
                make_cell("a", options={"legal_actions": True, **options}): [1.0],
                make_cell("a", options={"legal_actions": False, **options}): [0.9],
                make_cell("a", options={"legal_actions": False, **options}, format="rgb"): [0.8],
                make_cell("b", options={"layout": "chat"}): [0.7],
                make_cell("b", options={"layout": "single"}): [0.6],
                make_cell("c", options={"legal_actions": True}): [0.5],
                make_cell("d", options={"parse": "lenient"}): [0.4],
                make_cell("d", options={}): [0.3],
                make_cell("e", options={"demo_sets": [4, 100]}): [0.2],
                make_cell("e", options={"demo_sets": [1, 100]}): [0.1],
            },
        )
    )
    assert [row.agent for row in board.rows] == [
        "a [legal_actions]",
        "a [no legal_actions]",
        "b [layout=chat]",
        "b [layout=single]",
        "c",
        "d [parse=lenient]",
        "d",
        "e [demo_sets=4]",
        "e [demo_sets=1]",
        "a [no legal_actions]",
    ]


def test_gaps_are_those_of_each_option(make_run, make_cell):
    scores = {}
    for listed in (True, False):
        options = {"legal_actions": listed}
        scores[make_cell(options=options)] = [1.0]
        scores[make_cell(selector="", demonstrations=0, options=options)] = [0.0 + listed]
    found = make_gaps(make_run("run", scores))
    assert [(row.agent, row.gap) for row in found.rows] == [
        ("model [legal_actions]", 0.0),
        ("model [no legal_actions]", 1.0),
    ]


def test_runs_on_one_ground_are_ranked_together(make_run, make_cell):
    stores = [
        make_run("one", {make_cell("a"): [1.0]}, experiment_hash="1" * 16, icil="0.1"),
        make_run("two", {make_cell("b"): [0.5]}, experiment_hash="2" * 16, icil="0.1"),
    ]
    board = make_leaderboard(read_scored(*stores))
    assert shown(board, "rank", "agent", "run", "experiment_hash", "icil") == [
        (1, "a", "one", "1" * 16, "0.1"),
        (2, "b", "two", "2" * 16, "0.1"),
    ]
    assert board.notes == ()
    (first, _) = csv.DictReader(io.StringIO(board.to_csv()))
    assert tuple(first)[: len(COLUMNS)] == COLUMNS
    assert (first["run"], first["icil"], first["ground"]) == ("one", "0.1", "")


@pytest.mark.parametrize(
    ("changes", "ground"),
    [
        ({"episodes": 2}, "episodes 2"),
        ({"task": {"toy": 2}}, "version 2"),
        ({"settings": {"task toy": {"language": "uci"}}}, "language uci"),
        ({"openings": {"first": 5, "split": "evaluation"}}, "openings first 5, split evaluation"),
        ({"teacher_forced": True, "seed": 3}, "teacher-forced pool None, seed 3"),
    ],
)
def test_runs_on_other_grounds_are_ranked_apart_and_a_note_says_so(
    make_run, make_cell, changes, ground
):
    usual = {"episodes": 1, "task": {"toy": 1}}
    stores = [
        make_run("one", {make_cell("a"): [1.0]}, experiment=usual),
        make_run("two", {make_cell("b"): [0.5] * 2}, experiment={**usual, **changes}),
    ]
    board = make_leaderboard(read_scored(*stores))
    assert sorted(shown(board, "rank", "agent")) == [(1, "a"), (1, "b")]
    assert next(row.ground for row in board.rows if row.agent == "b") == ground
    (note,) = board.notes
    assert "cells of toy that were not played alike are ranked apart" in note
    assert f"two: {ground}" in note


def test_versions_that_differ_are_noted(make_run, make_cell):
    stores = [
        make_run("one", {make_cell("a"): [1.0]}, icil="0.1"),
        make_run("two", {make_cell("b"): [0.5]}),
    ]
    board = make_leaderboard(read_scored(*stores))
    assert board.notes == (
        "the runs are of several versions of icil (one: 0.1; two: not recorded)",
    )


def test_a_reference_player_of_several_runs_stands_there_once(make_run, make_cell):
    player = make_cell("random")
    stores = [
        make_run("one", {make_cell("a"): [1.0], player: [0.0]}),
        make_run("two", {make_cell("b"): [0.5], player: [0.0]}),
    ]
    board = make_leaderboard(read_scored(*stores))
    assert shown(board, "format", "agent") == [
        ("ascii", "a"),
        ("ascii", "b"),
        ("ascii", "random"),
        ("rgb", "random"),
    ]


def test_the_same_agent_in_two_runs_is_told_apart_by_the_run(make_run, make_cell):
    stores = [
        make_run("x/run", {make_cell("a"): [1.0], make_cell("b"): [0.0]}),
        make_run("y/run", {make_cell("a"): [0.5]}),
    ]
    board = make_leaderboard(read_scored(*stores))
    one, other = (str(store.path.parent) for store in stores)
    assert [row.agent for row in board.rows] == [f"a [run={one}]", f"a [run={other}]", "b"]


def test_one_run_keeps_the_columns_that_people_build_on(make_run, make_cell):
    board = make_leaderboard(read_scored(make_run("run", {make_cell(): [1.0]})))
    assert board.to_csv().splitlines()[0] == ",".join(COLUMNS)
    assert not board.merged
