"""A user's function as an embedding, named as `module:function`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from icil.prompt_builders.embeddings.embedding import Embedding, Vectors
from icil.tasks import Observation, UsageError, load_named


class FunctionEmbedding(Embedding):
    """What a function makes of each observation.

    Args:
        name: What to call it in messages: `module:function`.
        function: Takes an observation and returns numbers, as many each time; is called on
            threads.
    """

    def __init__(self, name: str, function: Callable[[Observation], Any]) -> None:
        self.name, self._function = name, function

    def embed(self, observations: Sequence[Observation]) -> Vectors:
        """Returns what the function says; see `Embedding.embed`."""
        vectors = [self._vector(one) for one in observations]
        sizes = sorted({len(one) for one in vectors})
        if len(sizes) > 1:
            raise UsageError(
                f"the embedding {self.name} gave vectors of {' and '.join(map(str, sizes))} "
                "numbers; all need the same size"
            )
        return np.stack(vectors)

    def _vector(self, observation: Observation) -> Vectors:
        said = self._function(observation)
        try:
            with np.errstate(over="ignore"):  # what becomes infinite is refused by who asked
                vector = np.asarray(said, np.float32)
        except (TypeError, ValueError):
            vector = np.empty((0, 0), np.float32)
        if vector.ndim != 1 or not len(vector):
            raise UsageError(
                f"the embedding {self.name} returned {said!r:.80}, which is no list of numbers"
            )
        return vector


def named_function(name: str) -> FunctionEmbedding:
    """Returns the embedding that `module:function` names.

    Raises:
        UsageError: It cannot be imported, or is no function.
    """
    found = load_named("embedding", name)
    if isinstance(found, type) or not callable(found):
        raise UsageError(f"the embedding {name} is no function of an observation")
    return FunctionEmbedding(name, found)
