"""The action language of crossword: `A1: WORD` writes a word at clue 1 across.

Small letters are as good as capitals, which are the canonical wording; nothing else is let
pass. An action is legal if the puzzle has the clue and the word its length.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from icil.tasks.actions import excerpt

_ACTION = re.compile(r"([AaDd][1-9][0-9]*): ([A-Za-z]+)")
_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


class Said(NamedTuple):
    """An action, read."""

    clue: str
    word: str

    def __str__(self) -> str:
        return f"{self.clue}: {self.word}"


def read(text: str) -> Said | None:
    """Reads an action, or returns None if it is not of this language."""
    found = _ACTION.fullmatch(text.strip())
    return Said(found[1].upper(), found[2].upper()) if found else None


def objection(said: Said, lengths: Mapping[str, int]) -> str | None:
    """Returns why an action is not legal; None if it is.

    Args:
        said: The action.
        lengths: The puzzle's clues and the lengths of their words.
    """
    length = lengths.get(said.clue)
    if length is None:
        return f"there is no clue {excerpt(said.clue, 20)}"
    if len(said.word) != length:
        return f"{said.clue} has {length} letters, not {len(said.word)}"
    return None


@dataclass(frozen=True, slots=True)
class AnyWord:
    """Any letters of the right length at any clue that is not solved yet.

    A draw takes each clue equally often and then each letter equally often. So it hardly ever
    solves one: less than once in a thousand episodes.
    """

    lengths: Mapping[str, int]
    """The open clues and the lengths of their words."""

    def describe(self) -> str:
        """Returns the open clues with the lengths of their words."""
        return ", ".join(f"{clue}: any {length} letters" for clue, length in self.lengths.items())

    def sample(self, rng: np.random.Generator) -> str:
        """Returns random letters for a random clue."""
        clue = tuple(self.lengths)[rng.integers(len(self.lengths))]
        return str(Said(clue, "".join(_LETTERS[rng.integers(26, size=self.lengths[clue])])))
