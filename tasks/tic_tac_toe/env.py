"""The dynamics of tic-tac-toe: the agent against an opponent who plays at random.

The agent plays the side to move in the opening. A step is the agent's mark and, unless that
ends the game, the opponent's on any of the free cells, each equally likely. Winning pays 1,
losing -1, a draw 0. A mark on a taken cell loses the game at once and leaves the board as it
is; the harness never plays one, since it replaces illegal actions beforehand. An opponent whose
chances are not known, as in games that others recorded, is made to repeat itself by `repeat`.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete, MultiDiscrete
from numpy.typing import NDArray

from icil.tasks.errors import OpeningsError, PoolError
from icil.tasks.seeding import generator
from icil.tasks.tic_tac_toe.board import (
    CELLS,
    EMPTY,
    completes_line,
    early_boards,
    free_cells,
    in_play,
    place,
    side_to_move,
)

HORIZON = 5
"""The most marks that one side can make."""

Step = tuple[NDArray[np.int64], float, bool, bool, dict[str, Any]]

_NUMBERS = str.maketrans({EMPTY: "\0", "x": "\1", "o": "\2"})


class TicTacToeEnv(gymnasium.Env[NDArray[np.int64], int | np.int64]):
    """The game; observations are the nine cells, row by row: 0 empty, 1 x, 2 o.

    `reset` takes `options={"opening": {"board": "x...o....", "chance_seed": 7}}` with any board
    on which the game goes on. `chance_seed` fixes the opponent; where it is missing, it is drawn
    from `np_random`. Without an opening, a board of at most four marks is drawn as well.
    """

    board: str
    """The nine cells; set by `reset`. See `icil.tasks.tic_tac_toe.board`."""
    mark: str
    """What the agent plays, `x` or `o`; set by `reset`."""

    def __init__(self) -> None:
        self.observation_space = MultiDiscrete([3] * 9)
        self.action_space = Discrete(9)
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Starts a game.

        Raises:
            OpeningsError: The opening has no board on which the game goes on.
        """
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        if opening is None:
            boards = early_boards()
            opening = {"board": boards[self.np_random.integers(len(boards))]}
        board = opening.get("board")
        if not isinstance(board, str) or not in_play(board):
            raise OpeningsError(
                "an opening of tic_tac_toe needs 'board': nine characters x, o or . on which "
                f"the game goes on, not {board!r}"
            )
        chance_seed = opening.get("chance_seed")
        if chance_seed is None:
            chance_seed = self.np_random.integers(2**32)
        self._chance = generator("tic_tac_toe", "opponent", int(chance_seed))
        self.board, self.mark = board, side_to_move(board)
        self._over = False
        return self._observation(), {}

    def step(self, action: int | np.int64) -> Step:
        """Plays the agent's mark, then the opponent's.

        Raises:
            ResetNeeded: The game is over, or none has begun.
        """
        reward = self._play(int(action), self.opponent_move)
        return self._observation(), reward, self._over, False, {}

    def repeat(self, action: int | np.int64, outcome: str) -> Step:
        """Plays the agent's mark, then the opponent's as it was recorded, `a1` to `c3`.

        Raises:
            ResetNeeded: The game is over, or none has begun.
            PoolError: The recorded cell is not free; the board is left as it was.
        """
        board, info = self.board, dict[str, Any]()

        def recorded() -> int:
            for cell in free_cells(self.board):
                if CELLS[cell] == outcome:
                    info["outcome"] = outcome
                    return cell
            self.board = board
            raise PoolError(
                f"the recorded move {outcome!r:.40} of the opponent is not possible after "
                f"{CELLS[int(action)]} on {board}: the record is damaged"
            )

        reward = self._play(int(action), recorded)
        return self._observation(), reward, self._over, False, info

    def opponent_move(self) -> int:
        """Returns the cell that the opponent takes next: any free one, equally likely."""
        free = free_cells(self.board)
        return free[self._chance.integers(len(free))]

    def _play(self, cell: int, opponent: Callable[[], int]) -> float:
        """Returns the reward."""
        if self._over:
            raise ResetNeeded("there is no game in progress; call reset() first")
        reward, self._over = self._marks(cell, opponent)
        return reward

    def _marks(self, cell: int, opponent: Callable[[], int]) -> tuple[float, bool]:
        """Returns the reward, and whether the game is over."""
        if self.board[cell] != EMPTY:
            return -1.0, True
        self.board = place(self.board, cell, self.mark)
        if completes_line(self.board, cell):
            return 1.0, True
        if EMPTY not in self.board:
            return 0.0, True
        reply = opponent()
        self.board = place(self.board, reply, "o" if self.mark == "x" else "x")
        if completes_line(self.board, reply):
            return -1.0, True
        return 0.0, EMPTY not in self.board

    def _observation(self) -> NDArray[np.int64]:
        return np.frombuffer(self.board.translate(_NUMBERS).encode(), np.uint8).astype(np.int64)
