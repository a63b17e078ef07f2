"""The puzzles of crossword: what may be one, and what the openings are."""

import json
from itertools import groupby

import pytest

from icil.tasks import OpeningsError
from icil.tasks.crossword import Crossword
from icil.tasks.crossword.clues import clue_list
from icil.tasks.crossword.openings import NUMBERS_OF_WORDS, split_of
from icil.tasks.crossword.puzzle import Puzzle

TASK = Crossword()
SPLITS = ("demonstration", "evaluation")
DRAWN = 150
"""Openings of each split that are looked at."""


@pytest.fixture(scope="module")
def openings():
    return {split: [TASK.openings(split)[i] for i in range(DRAWN)] for split in SPLITS}


def solution(opening):
    """The grid, read off the looks of the solved puzzle."""
    env = TASK.make_env()
    TASK.reset(env, opening)
    for clue, placed in env.puzzle.entries.items():
        env.step(f"{clue}: {placed.word}")
    lines = TASK.observe(env, "ascii").text.split("\n")[:7]
    return ["".join(line[place] for place in range(2, 27, 4)) for line in lines]


def runs(lines):
    return [run for line in lines for run in line.split(".") if len(run) > 1]


def test_every_run_of_letters_is_a_word_of_the_puzzle(openings):
    for split in SPLITS:
        for opening in openings[split]:
            rows = solution(opening)
            assert [len(row) for row in rows] == [7] * 7
            words = opening.state["words"]
            across = [word for direction, _, _, word in words if direction == "A"]
            down = [word for direction, _, _, word in words if direction == "D"]
            assert runs(rows) == across
            assert sorted(runs(map("".join, zip(*rows, strict=True)))) == sorted(down)


def test_words_are_of_the_list_and_different(openings):
    for split in SPLITS:
        for opening in openings[split]:
            words = [item[3] for item in opening.state["words"]]
            assert set(words) <= clue_list().keys()
            assert len(set(words)) == len(words)
            assert min(NUMBERS_OF_WORDS) <= len(words) <= max(NUMBERS_OF_WORDS)


def test_about_ten_words_a_puzzle():
    assert len(NUMBERS_OF_WORDS) == 100
    assert sum(NUMBERS_OF_WORDS) == 1030


def test_puzzles_are_distinct_and_of_one_split(openings):
    seen = {split: [json.dumps(o.state) for o in openings[split]] for split in SPLITS}
    assert len({*seen["demonstration"], *seen["evaluation"]}) == 2 * DRAWN
    for split in SPLITS:
        for opening in openings[split]:
            puzzle = Puzzle.from_state(opening.state["words"])
            assert split_of(puzzle) == split
            assert split_of(Puzzle(puzzle.placed[::-1])) == split


def test_clues_tell_the_words_of_a_puzzle_apart(openings):
    for opening in openings["evaluation"]:
        placed = Puzzle.from_state(opening.state["words"]).placed
        assert len({(p.clue, len(p.word)) for p in placed}) == len(placed)


def test_openings_are_json_and_stay_the_same(openings):
    for split in SPLITS:
        opening = TASK.openings(split)[3]
        assert json.loads(json.dumps(opening.state)) == opening.state
        assert opening == openings[split][3]
    first = {s: [item[3] for item in openings[s][0].state["words"][:6]] for s in SPLITS}
    assert first == {
        "demonstration": ["SPY", "SUCH", "YES", "TAG", "RED", "PINK"],
        "evaluation": ["RAP", "PRO", "GUY", "LEDGER", "SPY", "LOG"],
    }


def test_changing_a_state_changes_no_opening():
    TASK.openings("evaluation")[0].state["words"][0][3] = "XXX"
    assert TASK.openings("evaluation")[0].state["words"][0][3] == "RAP"


def test_there_is_no_opening_before_the_first():
    with pytest.raises(OpeningsError, match="-1"):
        TASK.openings("evaluation")[-1]


def test_numbers_run_by_rows_and_are_shared(openings):
    for opening in openings["evaluation"]:
        puzzle = Puzzle.from_state(opening.state["words"])
        starts = sorted(puzzle.numbers, key=puzzle.numbers.__getitem__)
        assert starts == sorted(starts)
        assert sorted(puzzle.numbers.values()) == list(range(1, len(starts) + 1))
        order = [(clue[0], int(clue[1:])) for clue in puzzle.entries]
        assert order == sorted(order)
        for number, clues in groupby(sorted(order, key=lambda c: c[1]), key=lambda c: c[1]):
            places = {puzzle.entries[f"{letter}{n}"].start for letter, n in clues}
            assert places == {starts[number - 1]}


def test_states_keep_clues_of_their_own():
    words = [["A", 0, 0, "CAT", "it purrs"], ["D", 0, 0, "COW"]]
    assert Puzzle.from_state(words).to_state() == words
    assert Puzzle.from_state(words).entries["D1"].clue == clue_list()["COW"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (None, "needs 'words'"),
        ([], "needs 'words'"),
        ("CAT", "needs 'words'"),
        ({"A1": "CAT"}, "needs 'words'"),
        (["CAT"], "a word of a crossword is"),
        ([7], "a word of a crossword is"),
        ([["A", 0, 0]], "a word of a crossword is"),
        ([["B", 0, 0, "COW"]], "a word of a crossword is"),
        ([[["A"], 0, 0, "COW"]], "a word of a crossword is"),
        ([["A", 0.0, 0, "COW"]], "a word of a crossword is"),
        ([["A", True, 0, "COW"]], "a word of a crossword is"),
        ([["A", 0, 0, 5]], "a word of a crossword is"),
        ([["A", 0, 0, "cow"]], "a word of a crossword is"),
        ([["A", 0, 0, "cow", "it moos"]], "a word of a crossword is"),
        ([["A", 0, 0, "XYZ"]], "a word of a crossword is"),
        ([["A", 0, 0, "XYZ", ""]], "a word of a crossword is"),
        ([["A", 0, 0, "XYZ", "two\nlines"]], "a word of a crossword is"),
        ([["A", 0, 0, "XYZ", "one", "two"]], "a word of a crossword is"),
        ([["A", 0, 5, "COW"]], "leaves it"),
        ([["A", -1, 0, "COW"]], "leaves it"),
        ([["A", 0, 0, "COW"], ["D", 0, 0, "ICE"]], "another letter at"),
        ([["A", 0, 0, "COW"], ["A", 0, 0, "COW"]], "there twice"),
        ([["A", 0, 0, "COW"], ["A", 0, 3, "ICE"]], "runs on"),
        ([["A", 0, 0, "COW"], ["D", 0, 0, "CUP"], ["A", 1, 0, "USE"]], "is a run of letters"),
        ([["A", 0, 0, "COW"], ["A", 2, 0, "ICE"]], "do not hang together"),
    ],
)
def test_refuses_what_is_no_puzzle(words, problem):
    with pytest.raises(OpeningsError, match=problem):
        TASK.make_env().reset(options={"opening": {"words": words}})
