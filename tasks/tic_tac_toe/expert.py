"""The expert of tic-tac-toe: minimax, which expects a perfect opponent."""

from functools import cache

import numpy as np

from icil.tasks.expert import Expert
from icil.tasks.tic_tac_toe.board import (
    CELLS,
    EMPTY,
    completes_line,
    free_cells,
    place,
    side_to_move,
)
from icil.tasks.tic_tac_toe.env import TicTacToeEnv

_WIN_NOW = 9


class Minimax(Expert[TicTacToeEnv]):
    """Plays the best move against perfect play: a fast win, else a draw, else a slow loss.

    Among equally good cells it takes the first in row order, so that nothing is left to chance.
    """

    name: str = "minimax"

    def act(self, env: TicTacToeEnv, rng: np.random.Generator) -> str:
        """Returns the best cell."""
        return self.equally_good(env)[0]

    def equally_good(self, env: TicTacToeEnv) -> tuple[str, ...]:
        """Returns the cells that are worth as much as the best, in row order."""
        worth = {cell: worth_of_move(env.board, cell) for cell in free_cells(env.board)}
        best = max(worth.values())
        return tuple(CELLS[cell] for cell, found in worth.items() if found == best)


def worth_of_move(board: str, cell: int) -> int:
    """Returns what it is worth to the side to move to play a cell, if both then play perfectly.

    A win is worth 9 at once and 1 less for each ply that it takes longer, a loss the negative
    of that, a draw 0.
    """
    following = place(board, cell, side_to_move(board))
    if completes_line(following, cell):
        return _WIN_NOW
    if EMPTY not in following:
        return 0
    worth = -_worth(following)
    return worth - (worth > 0) + (worth < 0)


@cache
def _worth(board: str) -> int:
    """Returns the worth of the best move; there are 4,520 boards in play to remember."""
    return max(worth_of_move(board, cell) for cell in free_cells(board))
