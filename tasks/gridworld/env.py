"""The dynamics of the grid world: a player walks through a walled room to a target.

The room has 12x12 cells. Its outer ring is wall, so that rows and columns 1 to 10 are free;
row 0 is the top. A step into a wall leaves the player where it is. Reaching the target pays 1
and ends the episode; the 25th step truncates it. Nothing is random after the start.
"""

from collections.abc import Mapping
from operator import index
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete, MultiDiscrete
from numpy.typing import NDArray

from icil.tasks.errors import OpeningsError

SIZE = 12
"""Cells along each side of the room, walls included."""
HORIZON = 25
"""The most steps an episode takes."""
MOVES: Mapping[str, tuple[int, int]] = {
    "up": (-1, 0),
    "down": (1, 0),
    "left": (0, -1),
    "right": (0, 1),
}
"""The actions, in the order of their numbers, and by how much they change row and column."""

Cell = tuple[int, int]
"""A row and a column."""

FREE_CELLS: tuple[Cell, ...] = tuple(
    (row, column) for row in range(1, SIZE - 1) for column in range(1, SIZE - 1)
)

_DELTAS = tuple(MOVES.values())


class GridworldEnv(gymnasium.Env[NDArray[np.int64], int | np.int64]):
    """The room; observations are the player's row and column, then the target's.

    `reset` takes `options={"opening": {"player": [row, column], "target": [row, column]}}` and
    ignores what else the opening holds. Without one, both cells are drawn from `np_random`.
    """

    player: Cell
    """Where the player is; set by `reset`."""
    target: Cell
    """Where the target is; set by `reset`."""

    def __init__(self) -> None:
        self.observation_space = MultiDiscrete([SIZE] * 4)
        self.action_space = Discrete(len(MOVES))
        self._steps_left = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Starts an episode.

        Raises:
            OpeningsError: The opening lacks a cell, or has one that cannot be.
        """
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        if opening is None:
            first, second = self.np_random.choice(len(FREE_CELLS), size=2, replace=False)
            self.player, self.target = FREE_CELLS[first], FREE_CELLS[second]
        else:
            player, target = _free_cell(opening, "player"), _free_cell(opening, "target")
            if player == target:
                raise OpeningsError(f"player and target are both at {player}")
            self.player, self.target = player, target
        self._steps_left = HORIZON
        return self._observation(), {}

    def step(
        self, action: int | np.int64
    ) -> tuple[NDArray[np.int64], float, bool, bool, dict[str, Any]]:
        """Moves the player.

        Raises:
            ResetNeeded: The episode has ended, or none has begun.
        """
        if not self._steps_left:
            raise ResetNeeded("there is no episode in progress; call reset() first")
        down, right = _DELTAS[action]
        row, column = self.player[0] + down, self.player[1] + right
        if 0 < row < SIZE - 1 and 0 < column < SIZE - 1:
            self.player = (row, column)
        reached = self.player == self.target
        self._steps_left = 0 if reached else self._steps_left - 1
        truncated = not reached and not self._steps_left
        return self._observation(), float(reached), reached, truncated, {}

    def _observation(self) -> NDArray[np.int64]:
        return np.array(self.player + self.target, dtype=np.int64)


def _free_cell(opening: Mapping[str, Any], key: str) -> Cell:
    try:
        row, column = opening[key]
        cell = index(row), index(column)
    except (KeyError, TypeError, ValueError) as error:
        raise OpeningsError(
            f"an opening of gridworld needs {key!r}: [row, column], not {opening!r}"
        ) from error
    if not all(0 < coordinate < SIZE - 1 for coordinate in cell):
        raise OpeningsError(f"{key} at {cell}: rows and columns 1 to {SIZE - 2} are free")
    return cell
