"""The expert of crossword, who knows the solution."""

import numpy as np

from icil.tasks.crossword.env import CrosswordEnv
from icil.tasks.crossword.language import Said
from icil.tasks.expert import Expert


class Solution(Expert[CrosswordEnv]):
    """Offers the words that are not found yet, in random order."""

    name: str = "solution"

    def act(self, env: CrosswordEnv, rng: np.random.Generator) -> str:
        """Returns any of the missing words, each equally likely."""
        missing = self.equally_good(env)
        return missing[rng.integers(len(missing))]

    def equally_good(self, env: CrosswordEnv) -> tuple[str, ...]:
        """Returns all the missing words."""
        entries = env.puzzle.entries
        return tuple(str(Said(clue, entries[clue].word)) for clue in env.unsolved)
