"""TF-IDF of a text: how often its pieces occur, hashed into a fixed number of dimensions.

The pieces are its words and signs; each of those with its place (line, and place in the line),
which is what boards differ in; and runs of three to five characters, which catch what is
written without spaces. Rare pieces weigh more (Spärck Jones 1972; hashing after Weinberger et
al., arXiv 0902.2206).
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from icil.prompt_builders.embeddings.embedding import Embedding, Vectors
from icil.tasks import Observation, UsageError

_DIMENSION = 1024
_RUNS = (3, 4, 5)
_TOKEN = re.compile(r"\w+|[^\w\s]")


class TfidfEmbedding(Embedding):
    """Words, their places and runs of characters of a text: for all texts."""

    name = "tfidf"
    weighting = "idf"

    def embed(self, observations: Sequence[Observation]) -> Vectors:
        """Returns how often each piece occurs, with a sign; see `Embedding.embed`."""
        counts = self._vectorizer.transform(map(_text, observations))
        return np.asarray(counts.toarray(), np.float32)

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        return HashingVectorizer(
            analyzer=pieces, n_features=_DIMENSION, norm=None, dtype=np.float32
        )


def pieces(text: str) -> Iterator[str]:
    """Yields what a text is compared by; each kind is marked, so that none is another's."""
    for number, line in enumerate(text.splitlines()):
        for place, token in enumerate(_TOKEN.findall(line)):
            yield f"word {token}"
            yield f"place {number} {place} {token}"
    for length in _RUNS:
        for start in range(len(text) - length + 1):
            yield f"run {text[start : start + length]}"


def _text(observation: Observation) -> str:
    if observation.text is None:
        raise UsageError("the embedding 'tfidf' compares texts, and this format shows images")
    return observation.text
