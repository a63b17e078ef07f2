"""The contract of an action language: chunks of continuous actions as text, and back.

A chunk is an array of shape (steps, dimension), in units: -1 to 1 between the bounds of its task.
What is encoded and decoded again may come back a little different; `error` says by how much.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Chunk = NDArray[np.float64]
"""Actions that follow each other, shape (steps, dimension), from -1 to 1."""


class LanguageError(ValueError):
    """A text is no chunk in this language; the message says why, in a few words."""


class ActionLanguage(ABC):
    """Words for chunks of one length and dimension.

    Args:
        steps: How many actions a chunk has.
        dimension: How many numbers an action has.
    """

    name: str
    """As it is asked for, such as `decimals:2`."""

    def __init__(self, steps: int, dimension: int) -> None:
        self.steps, self.dimension = steps, dimension

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was fitted to, as JSON; nothing for one that is not fitted."""
        return {}

    @abstractmethod
    def describe(self) -> str:
        """Returns one line that tells a model how a chunk is written."""

    @abstractmethod
    def encode(self, chunk: Chunk) -> str:
        """Returns a chunk in its canonical wording; numbers beyond -1 and 1 are brought there."""

    @abstractmethod
    def decode(self, text: str) -> Chunk:
        """Reads a chunk.

        Raises:
            LanguageError: It is none.
        """

    def canonical(self, text: str) -> str:
        """Returns the one wording of a text that says a chunk.

        Raises:
            LanguageError: It says none.
        """
        return self.encode(self.decode(text))

    def error(self, chunk: Chunk) -> float:
        """Returns how far a chunk comes back from itself, as a share of the range: a mean."""
        return float(np.abs(self.decode(self.encode(chunk)) - chunk).mean() / 2)


def read_rows(text: str, most: int) -> list[list[str]]:
    """Returns the words of each line that has any.

    Args:
        text: What was said.
        most: Characters of it that are worth reading.

    Raises:
        LanguageError: It is longer.
    """
    if len(text) > most:
        raise LanguageError("it is too long")
    lines = (line.replace(",", " ").split() for line in text.strip().splitlines())
    return [words for words in lines if words]
