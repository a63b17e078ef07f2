"""Tic-tac-toe against an opponent who plays at random."""

from icil.tasks.tic_tac_toe.env import TicTacToeEnv
from icil.tasks.tic_tac_toe.task import TicTacToe

__all__ = ["TicTacToe", "TicTacToeEnv"]
