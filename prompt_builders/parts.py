"""Parts: the texts and images that a prompt is made of, each known by its hash.

A part is immutable and encoded once; whoever needs it again (the next step, the next
episode, the run store) passes the same object or its hash.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.png import encode_png, png_size

HASH_BYTES = 16

Role = Literal["user", "assistant"]
"""Who says a part: the harness, or, in a prompt that is laid out as a chat, the model."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text, as it stands in the prompt."""

    text: str
    role: Role = "user"
    hash: bytes = field(init=False, compare=False, repr=False)
    """BLAKE2b of kind, role and content, 16 bytes."""

    def __post_init__(self) -> None:
        kind = b"t" if self.role == "user" else b"a"
        object.__setattr__(self, "hash", _hash(kind, self.text.encode()))


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image, encoded as PNG."""

    png: bytes = field(repr=False)
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    hash: bytes = field(init=False, compare=False, repr=False)
    """BLAKE2b of kind and content, 16 bytes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", _hash(b"i", self.png))


Part = TextPart | ImagePart


def encode_image(pixels: NDArray[np.uint8]) -> ImagePart:
    """Encodes pixels of shape (height, width, 3) as PNG; equal pixels give equal bytes."""
    return read_image(encode_png(pixels))


def read_image(png: bytes) -> ImagePart:
    """Returns a PNG as a part."""
    return ImagePart(png, *png_size(png))


def role_of(part: Part) -> Role:
    """Returns who says a part; images are shown, never said."""
    return part.role if isinstance(part, TextPart) else "user"


def merge_text(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Joins texts of one role that follow each other, so that they are one part each."""
    merged: list[Part] = []
    for joint, run in groupby(parts, key=lambda p: p.role if isinstance(p, TextPart) else None):
        if joint is None:
            merged.extend(run)
        else:
            texts = [part.text for part in run if isinstance(part, TextPart)]
            merged.append(TextPart("".join(texts), joint))
    return tuple(merged)


def combined_hash(hashes: Iterable[bytes]) -> bytes:
    """Returns the hash of a sequence of parts, from theirs."""
    return hashlib.blake2b(b"".join(hashes), digest_size=HASH_BYTES).digest()


def _hash(kind: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=HASH_BYTES, person=kind).digest()
