"""The looks of crossword: the grid, then the clues.

A cell takes three characters: the number of the clues that begin there, if any do, and its
letter, `_` while it is not known; `.` is a cell that belongs to no word. After each clue stands
how many letters its word has, and once it is solved the word itself, since a word may stand in
the grid before it was offered, when all its letters belong to others.
"""

from collections.abc import Collection

from icil.tasks.crossword.puzzle import ACROSS, DOWN, SIZE, Cell, Puzzle

_OPEN, _BLOCKED = "_", "."
_HEADINGS = {ACROSS: "Across", DOWN: "Down"}


def as_characters(puzzle: Puzzle, solved: Collection[str], written: Collection[Cell]) -> str:
    """Returns the puzzle as it is when some of it is solved.

    Args:
        puzzle: The puzzle.
        solved: The clues that are.
        written: The cells whose letters are known.
    """
    lines = [
        " ".join(_cell(puzzle, (row, column), written) for column in range(SIZE))
        for row in range(SIZE)
    ]
    for direction, heading in _HEADINGS.items():
        lines += ["", heading]
        for name, placed in puzzle.entries.items():
            if placed.direction == direction:
                answer = placed.word if name in solved else len(placed.word)
                lines.append(f"{name}: {placed.clue} ({answer})")
    return "\n".join(lines)


def _cell(puzzle: Puzzle, cell: Cell, written: Collection[Cell]) -> str:
    letter = puzzle.letters.get(cell, _BLOCKED)
    shown = letter if letter == _BLOCKED or cell in written else _OPEN
    return f"{puzzle.numbers.get(cell, ''):>2}{shown}"
