"""Puzzles: words that cross each other in a square of 7x7 cells, numbered, each with a clue.

Every run of two or more letters, across or down, is a word of the puzzle, and all the words
hang together. Cells that begin a word are numbered row by row from the top left, so that an
across word and a down word may share a number: A1 and D1.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from icil.tasks.crossword.clues import clue_list
from icil.tasks.errors import OpeningsError

SIZE = 7
"""Cells along each side."""
ACROSS, DOWN = "A", "D"

Cell = tuple[int, int]
"""A row and a column, from 0; row 0 is the top."""

_STEPS: Mapping[str, Cell] = {ACROSS: (0, 1), DOWN: (1, 0)}
_WORD = re.compile(rf"[A-Z]{{2,{SIZE}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A word in its place."""

    direction: str
    """`A` for across, `D` for down."""
    start: Cell
    word: str
    clue: str

    @property
    def cells(self) -> Iterator[Cell]:
        """The cells of its letters, in order."""
        (row, column), (down, right) = self.start, _STEPS[self.direction]
        return ((row + i * down, column + i * right) for i in range(len(self.word)))


@dataclass(frozen=True)
class Puzzle:
    """A puzzle with its solution; see the module.

    Args:
        placed: The words.

    Raises:
        OpeningsError: The words do not make a puzzle.
    """

    placed: tuple[Placed, ...]

    def __post_init__(self) -> None:
        if problem := _problem(self.placed):
            raise OpeningsError(f"this is no crossword of {SIZE}x{SIZE} cells: {problem}")

    @classmethod
    def from_state(cls, words: Any) -> "Puzzle":
        """Makes a puzzle of the `words` of an opening.

        Args:
            words: A list of `[direction, row, column, word]`, or with a clue of its own
                `[direction, row, column, word, clue]`; otherwise the clue is taken from the
                clue list.

        Raises:
            OpeningsError: That is not what they are, or they do not make a puzzle.
        """
        if not isinstance(words, Sequence) or isinstance(words, str) or not words:
            raise OpeningsError(f"an opening of crossword needs 'words': a list, not {words!r}")
        return cls(tuple(_placed(item) for item in words))

    def to_state(self) -> list[list[Any]]:
        """Returns the words as an opening holds them; clues from the list are left out."""
        known = clue_list()
        return [
            [p.direction, *p.start, p.word, *([] if known.get(p.word) == p.clue else [p.clue])]
            for p in self.entries.values()
        ]

    @cached_property
    def letters(self) -> Mapping[Cell, str]:
        """The letters of the solution."""
        return {
            cell: letter
            for placed in self.placed
            for cell, letter in zip(placed.cells, placed.word, strict=True)
        }

    @cached_property
    def numbers(self) -> Mapping[Cell, int]:
        """The numbers of the cells that begin a word."""
        starts = sorted({placed.start for placed in self.placed})
        return {cell: number for number, cell in enumerate(starts, start=1)}

    @cached_property
    def entries(self) -> Mapping[str, Placed]:
        """The names of the clues, such as `A1`, and their words: across, then down, by number."""
        ordered = sorted(self.placed, key=lambda placed: (placed.direction, placed.start))
        return {f"{p.direction}{self.numbers[p.start]}": p for p in ordered}


def _placed(item: Any) -> Placed:
    try:
        direction, row, column, word, *clues = item
        clue = clues[0] if clues else clue_list()[word]
        fine = (
            direction in _STEPS
            and type(row) is int
            and type(column) is int
            and _WORD.fullmatch(word) is not None
            and isinstance(clue, str)
            and len(clue.splitlines()) == 1
            and len(clues) <= 1
        )
    except (KeyError, TypeError, ValueError):
        fine = False
    if not fine:
        raise OpeningsError(
            "a word of a crossword is ['A' or 'D', row, column, 'WORD'] and, unless the word is "
            f"in the clue list, a clue of one line; not {item!r}"
        )
    return Placed(direction=direction, start=(row, column), word=word, clue=clue)


def _problem(placed: Sequence[Placed]) -> str | None:
    letters: dict[Cell, str] = {}
    for one in placed:
        for cell, letter in zip(one.cells, one.word, strict=True):
            if not (0 <= cell[0] < SIZE and 0 <= cell[1] < SIZE):
                return f"{one.word} leaves it at {cell}"
            if letters.setdefault(cell, letter) != letter:
                return f"{one.word} has another letter at {cell} than the word that it crosses"
    wanted = Counter(_runs(letters))
    if given := Counter((one.direction, one.start, one.word) for one in placed) - wanted:
        return f"{next(iter(given))[2]} runs on into other letters, or is there twice"
    if missing := wanted - Counter((one.direction, one.start, one.word) for one in placed):
        return f"{next(iter(missing))[2]} is a run of letters, but no word of it"
    if _reached(letters) != set(letters):
        return "its words do not hang together"
    return None


def _runs(letters: Mapping[Cell, str]) -> Iterator[tuple[str, Cell, str]]:
    """Yields the runs of two or more letters: direction, start, letters."""
    for direction, (down, right) in _STEPS.items():
        for row, column in letters:
            if (row - down, column - right) in letters:
                continue
            run, cell = "", (row, column)
            while cell in letters:
                run, cell = run + letters[cell], (cell[0] + down, cell[1] + right)
            if len(run) > 1:
                yield direction, (row, column), run


def _reached(cells: Mapping[Cell, str]) -> set[Cell]:
    todo = [next(iter(cells))]
    reached = set(todo)
    while todo:
        row, column = todo.pop()
        around = {(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)}
        new = [cell for cell in around if cell in cells and cell not in reached]
        reached.update(new)
        todo.extend(new)
    return reached
