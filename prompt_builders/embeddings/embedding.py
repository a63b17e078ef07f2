"""The contract of an embedding: an observation becomes a vector, and vectors can be compared."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from icil.tasks import Observation

Vectors = NDArray[np.float32]
"""Shape (observations, dimension)."""

Weighting = Literal["plain", "idf", "centred", "standardised"]
"""What is done with the vectors of a pool before they are compared by their cosines:

plain         nothing
idf           a dimension weighs log((1 + n) / (1 + n that are not 0)) + 1
centred       the pool's mean is taken away
standardised  and each dimension divided by its standard deviation; a constant one by nothing
"""


class Embedding(ABC):
    """Turns observations into vectors."""

    name: str
    weighting: Weighting = "plain"

    @abstractmethod
    def embed(self, observations: Sequence[Observation]) -> Vectors:
        """Returns a vector for each of one or more observations; may take long.

        The vector of an observation depends on no other. Is called on threads, several at a time.

        Raises:
            UsageError: It cannot take observations such as these.
        """
