"""Pictures for the page: small, and each of them once."""

import hashlib
import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from icil.results.report.episodes import Drawn

_WIDEST = 200
"""Pixels of a picture with many colours, which does not suffer from being made smaller."""
_COLORS = 256
"""A picture with no more of them is a drawing, and is kept as it is."""
_QUALITY = 50
"""Of WebP, from 0 to 100."""
_EFFORT = 2
"""Of WebP, from 0 to 6; more takes ten times as long and saves a tenth."""
_OVERHEAD = 40
"""Bytes that a picture takes in the page beside its own."""
_KEY = 40
"""Bytes that a place where it is shown takes."""


class Thumbnail(NamedTuple):
    """A small picture."""

    content: bytes
    """WebP."""
    is_drawing: bool
    """Whether it is as it was; one with many colours is smaller, and has lost some."""


def thumbnail(picture: Drawn) -> Thumbnail:
    """Makes a picture small."""
    from PIL import Image

    made = (
        Image.open(io.BytesIO(picture)).convert("RGB")
        if isinstance(picture, bytes)
        else Image.fromarray(np.ascontiguousarray(picture))
    )
    content = io.BytesIO()
    is_drawing = made.getcolors(_COLORS) is not None
    if is_drawing:
        made.save(content, format="WEBP", lossless=True, quality=20, method=_EFFORT)
    else:
        made.thumbnail((_WIDEST, _WIDEST))
        made.save(content, format="WEBP", quality=_QUALITY, method=_EFFORT)
    return Thumbnail(content.getvalue(), is_drawing)


class Album:
    """Pictures by their keys, as many as there is room for.

    Args:
        room: How many bytes they may take in the page, in base64.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        """Bytes that are left."""
        self.pictures: list[bytes] = []
        """Each of them once, as WebP."""
        self._drawings: list[bool] = []
        self._places: dict[str, int] = {}
        self._known: dict[bytes, int] = {}

    @property
    def places(self) -> Mapping[str, int]:
        """By key, which of the pictures it is."""
        return self._places

    def is_photograph(self, key: str) -> bool:
        """Returns whether a picture that is in has many colours."""
        return not self._drawings[self._places[key]]

    def add(self, key: str, picture: Drawn) -> bool:
        """Adds a picture, unless there is no room for it; returns whether it is in."""
        if key in self._places:
            return True
        if self.room < _KEY:
            return False
        raw = picture if isinstance(picture, bytes) else picture.tobytes()
        content = hashlib.blake2b(raw, digest_size=16).digest()
        place = self._known.get(content)
        if place is None:
            small, is_drawing = thumbnail(picture)
            size = -(-len(small) // 3) * 4 + _OVERHEAD
            if size + _KEY > self.room:
                return False
            self.room -= size
            place = self._known[content] = len(self.pictures)
            self.pictures.append(small)
            self._drawings.append(is_drawing)
        self.room -= _KEY
        self._places[key] = place
        return True
