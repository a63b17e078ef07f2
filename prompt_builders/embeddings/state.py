"""The numbers of a state as its vector, for formats that show numbers."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.embeddings.embedding import Embedding, Vectors
from icil.tasks import Observation, UsageError

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


class StateEmbedding(Embedding):
    """The numbers that a text shows, standardised over the pool: for proprio and coords."""

    name = "state"
    weighting = "standardised"

    def embed(self, observations: Sequence[Observation]) -> Vectors:
        """Returns the numbers, in order; see `Embedding.embed`."""
        found = [_numbers(one) for one in observations]
        counts = sorted({len(one) for one in found})
        if counts[0] == 0 or len(counts) > 1:
            held = "none" if counts[0] == 0 else " and ".join(map(str, counts))
            raise UsageError(
                f"the embedding 'state' needs observations of equally many numbers; found {held}"
            )
        return np.array(found, np.float32)


def _numbers(observation: Observation) -> NDArray[np.float64]:
    if observation.state is not None:
        return np.asarray(observation.state, np.float64).ravel()
    return np.array([float(n) for n in _NUMBER.findall(observation.text or "")], np.float64)
