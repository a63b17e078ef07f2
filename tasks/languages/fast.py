"""FAST (Pertsch et al. 2025, arXiv 2501.09747): chunks as few tokens, fitted to a pool.

    1  each dimension: its 1st and 99th percentile in the pool become -1 and 1
    2  the orthonormal DCT-II along time, times 10, rounded
    3  flattened, all dimensions of the lowest frequency first, and shifted by the least
    4  byte-pair encoding with a vocabulary of 1024, learned on the pool

A chunk is written as the numbers of its tokens. What was fitted is part of a run's record, so that
the same text means the same chunk for ever.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.errors import PoolError
from icil.tasks.languages.dct import from_coefficients, to_coefficients
from icil.tasks.languages.language import ActionLanguage, Chunk, LanguageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 1024
"""FAST's."""
_PERCENTILES = (1.0, 99.0)
_FIRST = 0xE000
"""The character that stands for the least coefficient: of Unicode's private use."""
_MOST_VALUES = 6400
"""Characters that there are for private use."""
_NARROW = 1e-6
"""A dimension of the pool that moves less than this is taken as moving this much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What FAST learned from a pool."""

    low: tuple[float, ...]
    """The 1st percentile of each dimension, in units."""
    high: tuple[float, ...]
    least: int
    """The least coefficient."""
    values: int
    """How many coefficients follow each other from there."""
    merges: tuple[tuple[str, str], ...]
    """What byte-pair encoding joins, in the order in which it was learned, each side as the
    coefficients (above the least) that it stands for, apart by blanks."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All of it, as JSON; it is part of a run's record."""
        return {
            "low": list(self.low),
            "high": list(self.high),
            "least": self.least,
            "values": self.values,
            "merges": [list(pair) for pair in self.merges],
        }


class Fast(ActionLanguage):
    """See the module.

    Args:
        steps: See `ActionLanguage`.
        dimension: See `ActionLanguage`.
        fitted: What was learned from a pool, of chunks of that many steps.
    """

    name = "fast"

    def __init__(self, steps: int, dimension: int, fitted: Fitted) -> None:
        super().__init__(steps, dimension)
        self.fitted = fitted
        self._low, self._high = np.array(fitted.low), np.array(fitted.high)

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `ActionLanguage`."""
        return self.fitted.settings

    def describe(self) -> str:
        """See `ActionLanguage`."""
        return (
            f"{self.steps} steps of {self.dimension} numbers as FAST tokens: whole numbers from 0 "
            f"to {self._tokenizer.get_vocab_size() - 1} in a line, apart by blanks"
        )

    def encode(self, chunk: Chunk) -> str:
        """See `ActionLanguage`."""
        return " ".join(map(str, self.tokens(chunk)))

    def tokens(self, chunk: Chunk) -> list[int]:
        """Returns the tokens of a chunk."""
        fitted = self.fitted
        scaled = _scaled(np.clip(chunk, -1.0, 1.0), self._low, self._high)
        shifted = to_coefficients(scaled).reshape(-1) - fitted.least
        inside = np.clip(shifted, 0, fitted.values - 1).tolist()
        return list(self._tokenizer.encode(_characters(inside)).ids)

    def decode(self, text: str) -> Chunk:
        """See `ActionLanguage`."""
        words = text.split()
        if not words or len(words) > self.steps * self.dimension:
            raise LanguageError(f"it has {len(words)} tokens")
        size = self._tokenizer.get_vocab_size()
        if not all(word.isascii() and word.isdecimal() and len(word) < 7 for word in words):
            raise LanguageError("it has what is no whole number")
        tokens = [int(word) for word in words]
        if max(tokens) >= size:
            raise LanguageError(f"there is no token {max(tokens)}; the last is {size - 1}")
        said = "".join(self._tokenizer.id_to_token(token) or "" for token in tokens)
        if len(said) != self.steps * self.dimension:
            raise LanguageError(
                f"its tokens stand for {len(said)} numbers, not {self.steps * self.dimension}"
            )
        values = np.array([ord(character) - _FIRST for character in said]) + self.fitted.least
        chunk = from_coefficients(values.reshape(self.steps, self.dimension))
        units = (chunk + 1) / 2 * (self._high - self._low) + self._low
        return np.asarray(np.clip(units, -1.0, 1.0), np.float64)

    def canonical(self, text: str) -> str:
        """See `ActionLanguage`: the very same tokens, for others may stand for the same chunk."""
        self.decode(text)
        return " ".join(str(int(word)) for word in text.split())

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        return _tokenizer(self.fitted)


def fit(chunks: Iterable[Chunk], vocabulary: int = VOCABULARY) -> Fitted:
    """Fits FAST to chunks of one shape.

    Args:
        chunks: Those of a pool, in units.
        vocabulary: How many tokens there may be.

    Raises:
        PoolError: There are none, or their coefficients are too many to have characters.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    known = np.stack(list(chunks) or [np.zeros((0, 0))])
    if not known.size:
        raise PoolError("FAST is fitted to demonstrations, and there are none")
    low, high = np.percentile(known.reshape(-1, known.shape[-1]), _PERCENTILES, axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, _NARROW)
    low, high = middle - half, middle + half
    rows = [to_coefficients(_scaled(chunk, low, high)).reshape(-1) for chunk in known]
    least, most = int(min(r.min() for r in rows)), int(max(r.max() for r in rows))
    values = most - least + 1
    if values > _MOST_VALUES:
        raise PoolError(f"FAST has characters for {_MOST_VALUES} coefficients, not for {values}")
    tokenizer = Tokenizer(BPE())
    trainer = BpeTrainer(
        vocab_size=max(vocabulary, values),
        initial_alphabet=[chr(_FIRST + value) for value in range(values)],
        max_token_length=10_000,
        show_progress=False,
    )
    tokenizer.train_from_iterator((_characters((row - least).tolist()) for row in rows), trainer)
    return Fitted(
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        least=least,
        values=values,
        merges=tuple((_values(one), _values(other)) for one, other in _merges(tokenizer)),
    )


def _scaled(chunk: Chunk, low: NDArray[np.float64], high: NDArray[np.float64]) -> Chunk:
    return np.asarray((chunk - low) / (high - low) * 2 - 1, np.float64)


def _characters(values: Sequence[int]) -> str:
    return "".join(chr(_FIRST + value) for value in values)


def _values(characters: str) -> str:
    return " ".join(str(ord(character) - _FIRST) for character in characters)


def _merges(tokenizer: "Tokenizer") -> list[tuple[str, str]]:
    found = json.loads(tokenizer.to_str())["model"]["merges"]
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in found)
    return [(one, other) for one, other in pairs]


def _tokenizer(fitted: Fitted) -> "Tokenizer":
    """Returns the tokenizer: first a token for each coefficient, then one for each merge."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    merges = [
        (_characters(list(map(int, one.split()))), _characters(list(map(int, other.split()))))
        for one, other in fitted.merges
    ]
    words = [chr(_FIRST + value) for value in range(fitted.values)]
    words.extend(dict.fromkeys(one + other for one, other in merges))
    return Tokenizer(BPE(vocab={word: number for number, word in enumerate(words)}, merges=merges))
