"""PNG: pixels as a file from which the very same pixels come back.

Rows are stored as they are. An encoder that tries PNG's five filters on each row spends most of
its time on that, and gains nothing on what is shown here: boards, tiles and flatly lit bodies
come out smaller without any, and two to four times as quickly (docs/performance.md).
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from icil.tasks import ContractError

_LEVEL = 3
"""Of zlib: the last that looks for no better match than the first it finds."""
_BITS, _MEMORY = 15, 9
"""Of zlib: the window's size (as a power of two) and how much it keeps in mind; the most."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FORMAT = (8, 2, 0, 0, 0)
"""Eight bits a channel, RGB, and the only ways that there are to pack, filter and order."""


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes pixels of shape (height, width, 3) as PNG; equal pixels give equal bytes.

    Raises:
        ContractError: They are no such pixels.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ContractError(
            f"a picture is uint8 of shape (height, width, 3), not {pixels.dtype} of {pixels.shape}"
        )
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # a row begins with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _BITS, _MEMORY)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">II5B", width, height, *_FORMAT)),
            _chunk(b"IDAT", packer.compress(rows.data) + packer.flush()),
            _chunk(b"IEND", b""),
        )
    )


def png_size(png: bytes) -> tuple[int, int]:
    """Returns the width and height of a PNG, in pixels."""
    width, height = struct.unpack_from(">II", png, len(_SIGNATURE) + 8)
    return width, height


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(content)), kind, content, struct.pack(">I", check)))
