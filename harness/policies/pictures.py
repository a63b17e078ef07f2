"""Frames as a policy's server wants them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Layout = Literal["hwc", "chw"]
Numbers = Literal["uint8", "float32"]
Resize = Literal["pad", "stretch"]

Frame = NDArray[np.uint8]
"""Pixels, shape (height, width, 3), RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """What is done to each frame before it is sent, in this order: turn, resize, lay out."""

    size: int | None = 224
    """Pixels of a side; None for the frame's own size."""
    resize: Resize = "pad"
    """Whether a frame keeps its proportions, on black, or is stretched."""
    rotate: Literal[0, 90, 180, 270] = 0
    """Degrees, counter-clockwise; LIBERO's servers want 180."""
    layout: Layout = "hwc"
    numbers: Numbers = "uint8"
    """`float32` goes from 0 to 1."""

    def apply(self, frame: Frame) -> NDArray[np.generic]:
        """Returns a frame as it is sent: (size, size, 3), or (3, size, size) for `chw`."""
        turned = np.rot90(frame, self.rotate // 90)
        if self.size is not None:
            turned = _RESIZES[self.resize](turned, self.size)
        laid = turned.transpose(2, 0, 1) if self.layout == "chw" else turned
        if self.numbers == "float32":
            return np.ascontiguousarray(laid, np.float32) / np.float32(255)
        return np.ascontiguousarray(laid)


def _pad(frame: Frame, size: int) -> Frame:
    height, width = frame.shape[:2]
    if height == width == size:
        return frame
    longer = max(height, width)
    inner = max(1, height * size // longer), max(1, width * size // longer)
    small = _scaled(frame, *inner)
    found = np.zeros((size, size, 3), np.uint8)
    top, left = (size - inner[0]) // 2, (size - inner[1]) // 2
    found[top : top + inner[0], left : left + inner[1]] = small
    return found


def _stretch(frame: Frame, size: int) -> Frame:
    return frame if frame.shape[:2] == (size, size) else _scaled(frame, size, size)


def _scaled(frame: Frame, height: int, width: int) -> Frame:
    image = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


_RESIZES: Mapping[Resize, Callable[[Frame, int], Frame]] = {"pad": _pad, "stretch": _stretch}
