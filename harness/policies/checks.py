"""What a policy answered, checked before anything of it is played."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks import ActionBox

Chunk = NDArray[np.float64]
"""Actions that follow each other, shape (steps, dimension)."""

_LONGEST = 10_000
"""Steps that no chunk has more of."""


class ChunkError(ValueError):
    """An answer is no chunk of actions; the message says why."""


def check_chunk(answer: Any, box: ActionBox, *, tolerance: float) -> Chunk:
    """Returns an answer as a chunk of actions within their bounds.

    Args:
        answer: An array of shape (steps, dimension), or (dimension,) for a single step; columns
            beyond the dimension are an error, not cut off.
        box: The bounds.
        tolerance: How far beyond its bounds a number may be, in parts of their distance; it is
            brought back to them. Further is an error: it speaks of another scale.

    Raises:
        ChunkError: It is not of that shape, holds what is no number, or is far out of range.
    """
    try:
        found = np.asarray(answer)
    except (ValueError, TypeError) as error:
        raise ChunkError(f"actions are no array: {error}") from error
    if found.dtype.kind not in "iuf":
        raise ChunkError(f"actions are of dtype {found.dtype}, not numbers")
    if found.ndim == 1:
        found = found[None]
    if found.ndim != 2 or found.shape[1] != box.dimension or not 0 < len(found) <= _LONGEST:
        raise ChunkError(f"actions have the shape {found.shape}; expected (steps, {box.dimension})")
    chunk = found.astype(np.float64)
    if not np.isfinite(chunk).all():
        step, place = np.argwhere(~np.isfinite(chunk))[0]
        raise ChunkError(f"number {place + 1} of step {step} is {chunk[step, place]}")
    finite = np.isfinite(box.low) & np.isfinite(box.high)
    room = np.where(finite, tolerance * np.where(finite, box.high - box.low, 0.0), np.inf)
    beyond = (chunk < box.low - room) | (chunk > box.high + room)
    if beyond.any():
        step, place = np.argwhere(beyond)[0]
        raise ChunkError(
            f"number {place + 1} of step {step} is {chunk[step, place]:g}, outside "
            f"[{box.low[place]:g}, {box.high[place]:g}]"
        )
    return np.clip(chunk, box.low, box.high)
