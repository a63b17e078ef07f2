"""Prompts as Google wants them: contents of parts, as pieces of JSON that are shared.

A prefix is encoded once, an image once for all prefixes and tails that show it; a request
lists references to those pieces, whose bytes are put together only as they go out.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from icil.harness.models.recent import Recent
from icil.prompt_builders import ImagePart, Part, Prefix, Prompt, TextPart
from icil.prompt_builders.messages import Message
from icil.prompt_builders.parts import Role

_KEPT = 256 << 20
"""Bytes of prefixes, and of images, that are kept."""
_OPENING: dict[Role, bytes] = {
    "user": b'{"role":"user","parts":[',
    "assistant": b'{"role":"model","parts":[',
}
_CLOSING = b"]}"

Pieces = tuple[bytes, ...]


class _Open(NamedTuple):
    """Messages of which the last may go on."""

    pieces: Pieces = ()
    role: Role | None = None
    """Of the last; None where there is none."""


class ContentsMaker:
    """Makes contents, without the brackets around them. May be used from several threads.

    Each method may encode megabytes: call it in a thread.
    """

    def __init__(self) -> None:
        self._prefixes: Recent[_Open] = Recent(_KEPT)
        self._images: Recent[bytes] = Recent(_KEPT)

    def whole(self, prompt: Prompt) -> Pieces:
        """Returns a prompt."""
        known = self._prefixes.get(prompt.prefix.hash)
        if known is None:
            made = self._write(prompt.prefix.messages)
            known = self._prefixes.put(prompt.prefix.hash, made, sum(map(len, made.pieces)))
        return (*self._write(prompt.conversation.rest, known).pieces, _CLOSING)

    def prefix(self, prefix: Prefix) -> Pieces:
        """Returns a prefix on its own; it is not kept."""
        return (*self._write(prefix.messages).pieces, _CLOSING)

    def rest(self, prompt: Prompt) -> Pieces:
        """Returns what follows a prompt's prefix."""
        return (*self._write(prompt.conversation.rest).pieces, _CLOSING)

    def forget(self, prefix: Prefix) -> None:
        """Is told that no more prompts with this prefix will come."""
        self._prefixes.pop(prefix.hash)

    def _write(self, messages: Iterable[Message], before: _Open | None = None) -> _Open:
        pieces, role = before or _Open()
        written = list(pieces)
        for message in messages:
            parts = [part for part in message.parts if not _is_empty(part)]
            if parts:
                if message.role == role:
                    written.append(b",")
                else:
                    end = _CLOSING + b"," if role else b""
                    written.append(end + _OPENING[message.role])
                written.extend(self._encode(parts))
                role = message.role
        return _Open(tuple(written), role)

    def _encode(self, parts: Iterable[Part]) -> Iterator[bytes]:
        for number, part in enumerate(parts):
            comma = b"," if number else b""
            if isinstance(part, ImagePart):
                yield comma + b'{"inlineData":{"mimeType":"image/png","data":"'
                yield self._base64(part)
                yield b'"}}'
            else:
                yield comma + json.dumps({"text": part.text}, ensure_ascii=False).encode()

    def _base64(self, image: ImagePart) -> bytes:
        known = self._images.get(image.hash)
        if known is None:
            encoded = b64encode(image.png)
            known = self._images.put(image.hash, encoded, len(encoded))
        return known


def _is_empty(part: Part) -> bool:
    return isinstance(part, TextPart) and not part.text  # Google refuses such
