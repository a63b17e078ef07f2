"""The openings of crossword: a new puzzle for every index, made when it is asked for.

Which split a puzzle belongs to is a matter of the puzzle itself, by a hash of its words and
their places, so that no puzzle can be in both, however many are drawn. Each split draws until a
puzzle is its own.
"""

from functools import lru_cache

import numpy as np

from icil.tasks.crossword.clues import clue_list
from icil.tasks.crossword.filling import fill
from icil.tasks.crossword.layouts import Slot, draw_layout
from icil.tasks.crossword.puzzle import Placed, Puzzle
from icil.tasks.errors import OpeningsError
from icil.tasks.openings import Opening, Split
from icil.tasks.seeding import digest, generator

NUMBERS_OF_WORDS = (8,) * 4 + (9,) * 20 + (10,) * 33 + (11,) * 28 + (12,) * 15
"""How many words a puzzle may have, each as often as it is in a hundred puzzles: 10.3 in the
mean, where LMAct's puzzles have 10.29."""

_TRIES = 8
"""How often words are sought for a layout before another is drawn."""


class CrosswordOpenings:
    """The puzzles of one split.

    Args:
        task: The task's name.
        version: The task's version.
        split: Which split.

    Raises:
        OpeningsError: The clue list is missing or damaged.
    """

    def __init__(self, task: str, version: int, split: Split) -> None:
        self.split = split
        self.distinct: int | None = None
        self._identity = (task, version)
        clue_list()  # its loss must not be taken for an end of the openings

    def __getitem__(self, index: int) -> Opening:
        """Returns an opening.

        Raises:
            OpeningsError: The index is negative.
        """
        if index < 0:
            raise OpeningsError(f"openings are counted from 0; there is no number {index}")
        puzzle = _made(*self._identity, self.split, index)
        return Opening(split=self.split, index=index, state={"words": puzzle.to_state()})


@lru_cache(maxsize=4096)
def _made(task: str, version: int, split: Split, index: int) -> Puzzle:
    rng = generator("openings", task, version, split, index)
    count = NUMBERS_OF_WORDS[rng.integers(len(NUMBERS_OF_WORDS))]
    while True:
        layout = draw_layout(rng, count)
        for _ in range(_TRIES if layout else 0):
            assert layout is not None
            puzzle = _filled(layout, rng)
            if puzzle is None:
                break
            if split_of(puzzle) == split:
                return puzzle


def split_of(puzzle: Puzzle) -> Split:
    """Returns the one split that may have a puzzle."""
    words = (f"{p.direction}{p.start}{p.word}" for p in puzzle.entries.values())
    return "evaluation" if digest(*words, size=1)[0] % 2 else "demonstration"


def random_puzzle(rng: np.random.Generator) -> Puzzle:
    """Returns a puzzle that may be of either split."""
    while True:
        count = NUMBERS_OF_WORDS[rng.integers(len(NUMBERS_OF_WORDS))]
        layout = draw_layout(rng, count)
        puzzle = _filled(layout, rng) if layout else None
        if puzzle is not None:
            return puzzle


def _filled(layout: list[Slot], rng: np.random.Generator) -> Puzzle | None:
    words = fill(layout, rng)
    if words is None:
        return None
    return Puzzle(
        tuple(
            Placed(direction=s.direction, start=s.start, word=word, clue=clue_list()[word])
            for s, word in zip(layout, words, strict=True)
        )
    )
