"""Downsampled pixels as a vector, for images."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from icil.prompt_builders.embeddings.embedding import Embedding, Vectors
from icil.tasks import Observation, UsageError

_SIDE = 16


class PixelsEmbedding(Embedding):
    """16 × 16 pixels in colour, less the pool's mean picture: for images."""

    name = "pixels"
    # What all pictures share, their background, would make them all nearly equal.
    weighting = "centred"

    def embed(self, observations: Sequence[Observation]) -> Vectors:
        """Returns the pixels, 0 to 255; see `Embedding.embed`."""
        return np.stack([_thumbnail(one) for one in observations])


def _thumbnail(observation: Observation) -> Vectors:
    if observation.image is None:
        raise UsageError("the embedding 'pixels' compares images, and this format shows texts")
    small = Image.fromarray(observation.image).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel()
