"""What is shown of a state, in one format."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """A state as one format shows it: a text, an image, or a vector with its text.

    At least one of `text` and `image` is set.
    """

    text: str | None = None
    """What a prompt holds of a text format; may span lines, ends without a line break."""
    image: NDArray[np.uint8] | None = None
    """Pixels of an image format, shape (height, width, 3), RGB."""
    state: NDArray[np.float64] | None = None
    """The numbers behind a `text` that shows numbers, shape (dimension,)."""
