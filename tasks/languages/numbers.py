"""Numbers as they are: with some decimals, or as whole numbers of a range.

    decimals:2        0.25 -1.00 0.50        from -1 to 1
    integers:0-100    63 0 75                from 0 to 100

A line is an action, its numbers apart by blanks.
"""

import re

import numpy as np
from numpy.typing import NDArray

from icil.tasks.languages.language import ActionLanguage, Chunk, LanguageError, read_rows

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_WHOLE = re.compile(r"[+-]?\d{1,9}")
_WIDEST = 24
"""Characters of a number, at most."""
_ROUNDED = 1e-9
"""How far beyond 1 a number may be by rounding alone."""


class Decimals(ActionLanguage):
    """Numbers from -1 to 1.

    Args:
        steps: See `ActionLanguage`.
        dimension: See `ActionLanguage`.
        decimals: Digits behind the point, 0 to 17.
    """

    def __init__(self, steps: int, dimension: int, decimals: int) -> None:
        super().__init__(steps, dimension)
        self._decimals = decimals
        self.name = f"decimals:{decimals}"

    def describe(self) -> str:
        """See `ActionLanguage`."""
        return f"{_lines(self)} {_count(self)} from -1 to 1, with {self._decimals} decimals"

    def encode(self, chunk: Chunk) -> str:
        """See `ActionLanguage`."""
        inside = np.clip(chunk, -1.0, 1.0).tolist()
        return "\n".join(" ".join(f"{x:z.{self._decimals}f}" for x in row) for row in inside)

    def decode(self, text: str) -> Chunk:
        """See `ActionLanguage`."""
        found = _read(self, text, _DECIMAL).astype(np.float64)
        if not (np.abs(found) <= 1 + _ROUNDED).all():
            raise LanguageError("a number is outside -1 to 1")
        return np.clip(found, -1.0, 1.0)


class Integers(ActionLanguage):
    """Whole numbers, evenly spaced between the bounds.

    Args:
        steps: See `ActionLanguage`.
        dimension: See `ActionLanguage`.
        low: What stands for -1.
        high: What stands for 1, more than `low`.
    """

    def __init__(self, steps: int, dimension: int, low: int, high: int) -> None:
        super().__init__(steps, dimension)
        self._low, self._high = low, high
        self.name = f"integers:{low}-{high}"

    def describe(self) -> str:
        """See `ActionLanguage`."""
        return f"{_lines(self)} {_count(self, 'whole ')} from {self._low} to {self._high}"

    def encode(self, chunk: Chunk) -> str:
        """See `ActionLanguage`."""
        spread = self._high - self._low
        whole = np.rint(self._low + (np.clip(chunk, -1.0, 1.0) + 1) / 2 * spread).astype(np.int64)
        return "\n".join(" ".join(map(str, row)) for row in whole.tolist())

    def decode(self, text: str) -> Chunk:
        """See `ActionLanguage`."""
        found = _read(self, text, _WHOLE).astype(np.int64)
        if (found < self._low).any() or (found > self._high).any():
            raise LanguageError(f"a number is outside {self._low} to {self._high}")
        return (found - self._low) / (self._high - self._low) * 2.0 - 1.0


def _read(language: ActionLanguage, text: str, word: re.Pattern[str]) -> NDArray[np.str_]:
    rows = read_rows(text, language.steps * language.dimension * _WIDEST)
    if len(rows) != language.steps:
        raise LanguageError(f"it has {len(rows)} lines of numbers, not {language.steps}")
    for number, row in enumerate(rows, start=1):
        if len(row) != language.dimension:
            raise LanguageError(f"line {number} has {len(row)} numbers, not {language.dimension}")
        for said in row:
            if not word.fullmatch(said):
                raise LanguageError(f"{said[:20]!r} in line {number} is no number of this language")
    return np.array(rows)


def _lines(language: ActionLanguage) -> str:
    return "" if language.steps == 1 else f"{language.steps} lines, each of"


def _count(language: ActionLanguage, kind: str = "") -> str:
    return f"{language.dimension} {kind}number{'s' * (language.dimension > 1)}"
