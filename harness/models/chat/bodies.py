"""Bodies: a prompt as the JSON that is sent, made of pieces that are shared.

    {"messages":[ prefix, tail, question ], "model": …, other fields}

What a prefix is in JSON is made once, the base64 of an image once for all prefixes and tails
that show it. A body lists references to those pieces, and they are put together as they go
out: however many requests are under way, there is one copy. The messages come first: the
bodies of all steps and episodes that share a prefix begin with the same bytes.

The block that ends the prefix stays open, so that a breakpoint can be set on it or not.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from icil.harness.models.recent import Recent
from icil.prompt_builders import ImagePart, Part, Prefix, Prompt
from icil.prompt_builders.parts import Role, role_of

_KEPT = 256 << 20
"""Bytes of prefixes, and of images, that are kept."""
_CHUNK = 256 << 10
"""Bytes that are sent at once: few enough not to hold up the event loop."""
_SLICE = 256 << 10
"""Characters of a text that are encoded at once: while C code works, no other thread can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a provider wants a prompt."""

    image: tuple[bytes, bytes]
    """What stands before and after an image's base64, without the block's closing brace."""
    blanks: bool
    """Whether a text may be nothing but white space. If not, such a text goes with the text that
    follows it, and is left out where a message begins or ends with it, or an image follows."""


class Body:
    """What is sent; an asynchronous iterable of bytes, as HTTP clients take it.

    Args:
        pieces: Of the JSON, in their order.
        length: All of their bytes.
    """

    def __init__(self, pieces: Sequence[bytes], length: int) -> None:
        self._pieces, self._length = pieces, length

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        return {"Content-Type": "application/json", "Content-Length": str(self._length)}

    def chunks(self) -> Iterator[bytes]:
        """Yields the body in pieces that are neither small nor, mostly, large."""
        held: list[bytes] = []
        size = 0
        for piece in self._pieces:
            held.append(piece)
            size += len(piece)
            if size >= _CHUNK:
                yield b"".join(held)
                held, size = [], 0
        if held:
            yield b"".join(held)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks():
            yield chunk


class BodyMaker:
    """Makes the bodies of one provider's requests. May be used from several threads."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._prefixes: Recent[_Beginning] = Recent(_KEPT)
        self._images: Recent[bytes] = Recent(_KEPT)
        self._lock = Lock()

    def make(
        self,
        prompt: Prompt,
        fields: Mapping[str, Any],
        mark: Mapping[str, Mapping[str, Any]] | None = None,
        breakpoints: Collection[int] = (),
    ) -> Body:
        """Returns the body for a prompt. May encode megabytes: call it in a thread.

        Args:
            prompt: What the messages are made of.
            fields: What is sent beside them; at least one.
            mark: What is added to a block to make it a breakpoint: the block that ends the
                prefix gets all of it, those in the tail get it without `ttl`, for they are
                needed for no longer than a step. None to mark none.
            breakpoints: How many parts of the tail stand before each of its breakpoints.
        """
        with self._lock:
            start = self._beginning(prompt.prefix)
            writer = _Writer(self._dialect, start.role, start.blank)
            if mark:
                writer.mark(mark)
            for number, part in enumerate((*prompt.tail, *prompt.question), start=1):
                self._write(part, writer)
                if mark and number in breakpoints:
                    writer.mark({name: _without_ttl(value) for name, value in mark.items()})
        writer.end(fields)
        rest = writer.pieces
        return Body((*start.pieces, *rest), start.length + sum(map(len, rest)))

    def forget(self, prefix: Prefix) -> None:
        """Is told that no more prompts with this prefix will come."""
        self._prefixes.pop(prefix.hash)

    def _beginning(self, prefix: Prefix) -> "_Beginning":
        known = self._prefixes.get(prefix.hash)
        if known is None:
            writer = _Writer(self._dialect)
            for message in prefix.messages:
                for part in message.parts:
                    self._write(part, writer)
            pieces = (b'{"messages":[', *writer.pieces)
            known = _Beginning(pieces, sum(map(len, pieces)), writer.role, writer.blank)
            self._prefixes.put(prefix.hash, known, known.length)
        return known

    def _write(self, part: Part, writer: "_Writer") -> None:
        if not isinstance(part, ImagePart):
            writer.text(part.text, role_of(part))
            return
        encoded = self._images.get(part.hash)
        if encoded is None:
            encoded = b64encode(part.png)
            self._images.put(part.hash, encoded, len(encoded))
        writer.image(encoded, role_of(part))


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A prefix in JSON, its last block and message open."""

    pieces: tuple[bytes, ...]
    length: int
    role: Role | None
    blank: str


class _Writer:
    """Writes messages as JSON, block by block. The last block stays open.

    Args:
        dialect: How the blocks look.
        role: Whose message is open; None before the first block.
        blank: White space that waits for a text.
    """

    def __init__(self, dialect: Dialect, role: Role | None = None, blank: str = "") -> None:
        self.pieces: list[bytes] = []
        self.role, self.blank = role, blank
        self._dialect = dialect
        self._marked = False

    def text(self, text: str, role: Role) -> None:
        """Writes a text, unless it is empty."""
        if role != self.role:
            self.blank = ""
        if not self._dialect.blanks and not text.strip():
            self.blank += text
        elif text:
            text, self.blank = self.blank + text, ""
            self._open(role)
            self.pieces.append(b'{"type":"text","text":"')
            self.pieces.extend(_escape(text))
            self.pieces.append(b'"')

    def image(self, encoded: bytes, role: Role) -> None:
        """Writes an image."""
        self.blank = ""
        self._open(role)
        before, after = self._dialect.image
        self.pieces += [before, encoded, after]

    def mark(self, mark: Mapping[str, Any]) -> None:
        """Makes a breakpoint of the open block."""
        if self.role and not self._marked:
            self.pieces.append(b"," + json.dumps(mark)[1:-1].encode())
            self._marked = True

    def end(self, fields: Mapping[str, Any]) -> None:
        """Closes everything; there is at least one field."""
        closed = b"}]}]," if self.role else b"],"
        self.pieces.append(closed + json.dumps(fields, ensure_ascii=False)[1:].encode())

    def _open(self, role: Role) -> None:
        """Closes the open block, and the open message if it is not of this role."""
        if role == self.role:
            self.pieces.append(b"},")
        else:
            closed = b"}]}," if self.role else b""
            self.pieces.append(closed + b'{"role":"%s","content":[' % role.encode())
        self.role, self._marked = role, False


def _escape(text: str) -> Iterator[bytes]:
    for start in range(0, len(text), _SLICE):
        part = text[start : start + _SLICE]
        yield json.dumps(part, ensure_ascii=False)[1:-1].encode()


def _without_ttl(mark: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mark.items() if name != "ttl"}
