"""The dynamics of crossword: words are offered until all are found.

A word that is right and new pays 1 and enters the grid. A wrong word of the right length, or
one found before, pays nothing and leaves the grid as it is, as in LMAct's crossword. All else,
such as a clue that the puzzle does not have or a word of another length, costs 1 and ends the
episode. So does, without cost, the last word; the 25th step truncates it. Nothing is random
after the start.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Text
from numpy.typing import NDArray

from icil.tasks.crossword.language import objection, read
from icil.tasks.crossword.openings import random_puzzle
from icil.tasks.crossword.puzzle import SIZE, Placed, Puzzle

HORIZON = 25
"""The most steps an episode takes."""

_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789: "
_BLOCKED, _OPEN = 0, 1
_FIRST_LETTER = 2


class CrosswordEnv(gymnasium.Env[NDArray[np.int8], str]):
    """The puzzle; observations are the 7x7 cells: 0 blocked, 1 open, 2 to 27 the letters A to Z.

    Actions are texts such as `A1: WORD`. The clues are in the `info` of `reset`.

    `reset` takes `options={"opening": {"words": [["A", 0, 2, "WORD"], ...]}}` (`A` across or `D`
    down, the row and column of the first letter, the word, and a clue where the clue list has
    none) and ignores what else the opening holds. Without one, a puzzle is drawn from
    `np_random`.
    """

    puzzle: Puzzle
    """Words, places and clues; set by `reset`."""
    solved: set[str]
    """The clues whose words were found; set by `reset`."""

    def __init__(self) -> None:
        self.observation_space = Box(0, _FIRST_LETTER + 25, (SIZE, SIZE), np.int8)
        self.action_space = Text(max_length=64, charset=_CHARACTERS)
        self._steps_left = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int8], dict[str, Any]]:
        """Starts an episode.

        Raises:
            OpeningsError: The words of the opening do not make a puzzle.
        """
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        if opening is None:
            self.puzzle = random_puzzle(self.np_random)
        else:
            self.puzzle = Puzzle.from_state(opening.get("words"))
        self.solved = set()
        self._lengths = {clue: len(placed.word) for clue, placed in self.puzzle.entries.items()}
        self._grid = np.full((SIZE, SIZE), _BLOCKED, np.int8)
        for cell in self.puzzle.letters:
            self._grid[cell] = _OPEN
        self._steps_left = HORIZON
        clues = {clue: placed.clue for clue, placed in self.puzzle.entries.items()}
        return self._grid.copy(), {"clues": clues}

    def step(self, action: str) -> tuple[NDArray[np.int8], float, bool, bool, dict[str, Any]]:
        """Offers a word.

        Raises:
            ResetNeeded: The episode has ended, or none has begun.
        """
        if not self._steps_left:
            raise ResetNeeded("there is no episode in progress; call reset() first")
        reward = self._offer(action)
        terminated = reward < 0 or not self.unsolved
        self._steps_left = 0 if terminated else self._steps_left - 1
        truncated = not terminated and not self._steps_left
        return self._grid.copy(), reward, terminated, truncated, {}

    @property
    def lengths(self) -> dict[str, int]:
        """The clues and the lengths of their words."""
        return self._lengths

    @property
    def unsolved(self) -> tuple[str, ...]:
        """The clues whose words are still to be found, in their order."""
        return tuple(clue for clue in self._lengths if clue not in self.solved)

    @property
    def written(self) -> frozenset[tuple[int, int]]:
        """The cells whose letters are in the grid."""
        entries = self.puzzle.entries
        return frozenset(cell for clue in self.solved for cell in entries[clue].cells)

    def _offer(self, action: str) -> float:
        """Returns the reward."""
        said = read(action)
        if said is None or objection(said, self._lengths):
            return -1.0
        placed = self.puzzle.entries[said.clue]
        if said.clue in self.solved or said.word != placed.word:
            return 0.0
        self.solved.add(said.clue)
        self._write(placed)
        return 1.0

    def _write(self, placed: Placed) -> None:
        for cell, letter in zip(placed.cells, placed.word, strict=True):
            self._grid[cell] = _FIRST_LETTER + ord(letter) - ord("A")
