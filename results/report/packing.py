"""JSON for the page: compressed, in base64, in packs that are opened one at a time.

Base64 has no character that could end a script or begin a comment, whatever it holds.
"""

import base64
import json
import zlib
from typing import Any

PACK_BYTES = 200_000
"""Of JSON in a pack: enough to compress well, little enough to open at once."""
_LEVEL = 9
_OVERHEAD = 60
"""Bytes that a pack takes in the page beside its own."""
_ESCAPES = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def pack(text: str) -> str:
    """Returns a text as base64 of a zlib stream (what browsers call `deflate`) of UTF-8."""
    return encode(zlib.compress(text.encode("utf-8", "replace"), _LEVEL))


def encode(content: bytes) -> str:
    """Returns bytes in base64."""
    return base64.b64encode(content).decode("ascii")


def to_json(value: Any) -> str:
    """Returns compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def to_script(value: Any) -> str:
    """Returns JSON that may stand in a script element: nothing in it can end that."""
    text = to_json(value)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


class Packer:
    """Values in packs, as many as there is room for.

    Args:
        room: How many bytes they may take in the page.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        """Bytes that are left."""
        self.packs: list[str] = []
        self.places: dict[str, int] = {}
        """By key, which of the packs a value is in."""
        self._open: dict[str, str] = {}
        self._size = 0

    def add(self, key: str, value: Any) -> None:
        """Adds a value, which is in a pack once that is closed, if there is room for it."""
        text = to_json(value)
        self._open[key] = text
        self._size += len(text)
        if self._size >= PACK_BYTES:
            self.close()

    def close(self) -> None:
        """Closes the pack that is open; where there is no room for it, for half of it."""
        while self._open:
            items = ",".join(f"{json.dumps(key)}:{text}" for key, text in self._open.items())
            packed = pack("{" + items + "}")
            if len(packed) + _OVERHEAD <= self.room:
                self.room -= len(packed) + _OVERHEAD
                self.places |= dict.fromkeys(self._open, len(self.packs))
                self.packs.append(packed)
                break
            kept = len(self._open) // 2
            self._open = dict(list(self._open.items())[:kept])
        self._open, self._size = {}, 0
