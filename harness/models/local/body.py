"""Bodies of requests to local servers: JSON whose long beginning is made once, as bytes.

    {"model": M, "messages": [ prefix | tail, question ], "max_tokens": …}

The bytes of a prefix are kept and shared by all the requests that begin with it: they are sent
from where they lie, never copied. Servers join the texts of one message by line breaks that
nobody wrote (vLLM, llama.cpp), so texts that follow each other are one string here, also where
the prefix ends: its bytes end within that string, and what follows goes on in it. A message of
texts alone is a plain string, which every server takes.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from icil.harness.models.recent import Recent
from icil.prompt_builders import ImagePart, Prefix, Prompt, TextPart
from icil.prompt_builders.messages import Message
from icil.prompt_builders.parts import Role

_KEPT = 512 << 20
"""Bytes of prefixes that are kept."""
_QUICK = 256 << 10
"""Bytes of images that are encoded on the event loop; more are encoded in a thread."""
_SLICE = 256 << 10
"""Characters of a text that are encoded at once: meanwhile no other thread can work."""
_encode = json.JSONEncoder(ensure_ascii=False).encode
_IMAGE = b'{"type":"image_url","image_url":{"url":"data:image/png;base64,'


class Bodies:
    """Makes the bodies of one model's requests, on one event loop.

    Args:
        model: As the server knows it.
    """

    def __init__(self, model: str) -> None:
        self._head = b'{"model":%s,"messages":[' % _dump(model)
        self._kept: Recent[_Beginning] = Recent(_KEPT)
        self._making: dict[bytes, asyncio.Future[_Beginning]] = {}

    async def chunks(self, prompt: Prompt) -> list[bytes]:
        """Returns the body for a prompt, up to where its fields begin; see `close`."""
        conversation = prompt.conversation
        joined, rest = conversation.joined, conversation.rest
        images = [p for message in rest for p in message.parts if isinstance(p, ImagePart)]
        # What the tail shows decides how the message looks that the two have in common.
        listed = joined and bool(images) and _has_image(rest[0])
        beginning = await self._beginning(prompt.prefix, listed)
        if not images:
            written = _write_rest(beginning.state, rest, seen=False)
        elif sum(len(image.png) for image in images) < _QUICK:
            written = _write_rest(beginning.state, rest, seen=True)
        else:
            written = await asyncio.to_thread(_write_rest, beginning.state, rest, seen=True)
        return [self._head, beginning.content, written]

    def forget(self, prefix: Prefix) -> None:
        """Is told that no more prompts with this prefix will come."""
        for listed in (False, True):
            self._kept.pop(_key(prefix, listed))

    async def _beginning(self, prefix: Prefix, listed: bool) -> "_Beginning":
        key = _key(prefix, listed)
        if (known := self._kept.get(key)) is not None:
            return known
        if key not in self._making:
            making = asyncio.ensure_future(asyncio.to_thread(_write_prefix, prefix, listed))
            making.add_done_callback(lambda made: self._keep(key, made))
            self._making[key] = making
        return await asyncio.shield(self._making[key])  # others may wait for it

    def _keep(self, key: bytes, made: "asyncio.Future[_Beginning]") -> None:
        del self._making[key]
        if not made.cancelled() and made.exception() is None:
            self._kept.put(key, made.result(), len(made.result().content))


def close(fields: Mapping[str, Any]) -> bytes:
    """Returns the end of a body: what is sent beside the prompt."""
    return b"]," + _dump(fields)[1:] if fields else b"]}"


class _State(NamedTuple):
    """Where in the messages one is."""

    role: Role | None = None
    """Whose message is open; None before the first."""
    listed: bool = False
    """Whether the open message is a list of blocks, and not a string."""
    blocks: bool = False
    """Whether that list holds any."""
    text: bool = False
    """Whether a string is open."""


class _Beginning(NamedTuple):
    """The messages of a prefix, the last one open."""

    content: bytes
    state: _State


class _Writer:
    """Writes messages as JSON; what it wrote last stays open."""

    def __init__(self, state: _State) -> None:
        self.state = state
        self._pieces: list[bytes] = []

    @property
    def content(self) -> bytes:
        """What was written."""
        return b"".join(self._pieces)

    def message(self, message: Message, *, seen: bool, listed: bool = False) -> None:
        """Writes a message, or goes on with the open one if that has the same role.

        Args:
            message: The message.
            seen: Whether it may hold images.
            listed: Whether it is a list though it holds none.
        """
        if message.role != self.state.role:
            self.close()
            self._open(message.role, listed or (seen and _has_image(message)))
        if not seen:
            texts = [part.text for part in message.parts if isinstance(part, TextPart)]
            self._text("".join(texts))
            return
        for part in message.parts:
            if isinstance(part, ImagePart):
                self._block(_IMAGE, text=False)
                self._pieces += [b64encode(part.png), b'"}}']
            else:
                self._text(part.text)

    def close(self) -> None:
        """Closes the open message."""
        if self.state.role is not None:
            text = b'"' if self.state.text else b""
            block = b"}" if self.state.text and self.state.listed else b""
            self._pieces.append(text + block + (b"]}" if self.state.listed else b"}"))

    def _open(self, role: Role, listed: bool) -> None:
        comma = b"" if self.state.role is None else b","
        start = b"[" if listed else b'"'
        self._pieces.append(b'%s{"role":"%s","content":%s' % (comma, role.encode(), start))
        self.state = _State(role, listed, text=not listed)

    def _text(self, text: str) -> None:
        if text:
            if not self.state.text:
                self._block(b'{"type":"text","text":"', text=True)
            for start in range(0, len(text), _SLICE):
                self._pieces.append(_dump(text[start : start + _SLICE])[1:-1])

    def _block(self, start: bytes, *, text: bool) -> None:
        before = b'"}' if self.state.text else b""
        self._pieces.append(before + (b"," if self.state.blocks else b"") + start)
        self.state = self.state._replace(blocks=True, text=text)


def _write_prefix(prefix: Prefix, listed: bool) -> _Beginning:
    writer = _Writer(_State())
    for message in prefix.messages[:-1]:
        writer.message(message, seen=True)
    writer.message(prefix.messages[-1], seen=True, listed=listed)
    return _Beginning(writer.content, writer.state)


def _write_rest(state: _State, rest: Iterable[Message], *, seen: bool) -> bytes:
    writer = _Writer(state)
    for message in rest:
        writer.message(message, seen=seen)
    writer.close()
    return writer.content


def _key(prefix: Prefix, listed: bool) -> bytes:
    return prefix.hash + (b"listed" if listed else b"")


def _has_image(message: Message) -> bool:
    return any(isinstance(part, ImagePart) for part in message.parts)


def _dump(value: object) -> bytes:
    return _encode(value).encode()
