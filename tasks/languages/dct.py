"""Rows of DCT integers: what changes slowly is said first, and what hardly changes is left out.

Each dimension of a chunk goes through the orthonormal DCT-II along time; the coefficients times
`SCALE`, rounded, are written as rows, a row a frequency from the lowest, a column a dimension. Rows
of zeros at the end are left out. These are the numbers of FAST (Pertsch et al. 2025, arXiv
2501.09747) before their compression to tokens.
"""

import numpy as np
from numpy.typing import NDArray

from icil.tasks.languages.language import ActionLanguage, Chunk, LanguageError, read_rows

SCALE = 10.0
"""FAST's."""
_WIDEST = 8
"""Characters of a number, at most."""

Coefficients = NDArray[np.int64]
"""Shape (steps, dimension): a row a frequency, the lowest first."""


def to_coefficients(chunk: Chunk, scale: float = SCALE) -> Coefficients:
    """Returns the rounded DCT-II coefficients of a chunk."""
    from scipy.fft import dct

    return np.rint(np.asarray(dct(chunk, axis=0, norm="ortho")) * scale).astype(np.int64)


def from_coefficients(coefficients: Coefficients, scale: float = SCALE) -> Chunk:
    """Returns the chunk of coefficients."""
    from scipy.fft import idct

    return np.asarray(idct(coefficients / scale, axis=0, norm="ortho"), np.float64)


class DctRows(ActionLanguage):
    """See the module."""

    name = "dct"

    def describe(self) -> str:
        """See `ActionLanguage`."""
        return (
            f"{self.steps} steps of {self.dimension} numbers in [-1, 1] as DCT-II coefficients "
            f"(orthonormal, along time, times {SCALE:g}, rounded): a line a frequency, the lowest "
            f"first, {self.dimension} whole numbers each; lines of zeros at the end left out"
        )

    def encode(self, chunk: Chunk) -> str:
        """See `ActionLanguage`."""
        rows = to_coefficients(np.clip(chunk, -1.0, 1.0))
        return _word(rows)

    def decode(self, text: str) -> Chunk:
        """See `ActionLanguage`; what goes beyond -1 and 1 is brought there."""
        return np.clip(from_coefficients(self._read(text)), -1.0, 1.0)

    def canonical(self, text: str) -> str:
        """See `ActionLanguage`: the very same coefficients, whatever chunk is played for them."""
        return _word(self._read(text))

    def _read(self, text: str) -> Coefficients:
        rows = read_rows(text, self.steps * self.dimension * _WIDEST)
        if not 1 <= len(rows) <= self.steps:
            raise LanguageError(f"it has {len(rows)} lines of numbers, not 1 to {self.steps}")
        found = np.zeros((self.steps, self.dimension), np.int64)
        most = 2 * SCALE * self.steps**0.5
        for number, row in enumerate(rows):
            if len(row) != self.dimension:
                raise LanguageError(
                    f"line {number + 1} has {len(row)} numbers, not {self.dimension}"
                )
            try:
                found[number] = [int(word) for word in row]
            except (ValueError, OverflowError) as error:
                raise LanguageError(f"line {number + 1} has what is no whole number") from error
        if np.abs(found).max() > most:
            raise LanguageError(f"a number is beyond {most:g}, which no chunk has")
        return found


def _word(rows: Coefficients) -> str:
    used = np.flatnonzero(rows.any(axis=1))
    kept = rows[: used[-1] + 1 if len(used) else 1]
    return "\n".join(" ".join(map(str, row)) for row in kept.tolist())
