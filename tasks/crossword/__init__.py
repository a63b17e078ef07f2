"""Crosswords of common words."""

from icil.tasks.crossword.env import CrosswordEnv
from icil.tasks.crossword.task import Crossword

__all__ = ["Crossword", "CrosswordEnv"]
