"""A call: what a client asks for, whatever the dialect that it asks in.

The parts of the prompt stand in the order in which a model reads them. A text part holds its
bytes, an image part the hash of its own: the call never holds the bytes of an image.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from icil.harness.fake_server.images import HASH_BYTES, ImageError, Picture, Pictures
from icil.harness.fake_server.tokens import text_tokens

Kind = Literal["text", "image"]
CacheMode = Literal["implicit", "explicit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A text or an image of the prompt."""

    kind: Kind
    role: str
    """`system`, `user` or `assistant`."""
    content: bytes
    """The text as UTF-8, or the image's hash."""
    tokens: int
    opens: bool
    """Whether it is the first part of its message."""
    life_s: float | None = None
    """Where the prompt may be cached up to here: for how long, in seconds."""

    @property
    def header(self) -> bytes:
        """What tells its beginning from all others, to be hashed before the content."""
        message = f"\0message {self.role}" if self.opens else ""
        return f"{message}\0{self.kind} ".encode()


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request for an answer."""

    model: str
    parts: tuple[Part, ...]
    bytes_per_token: int
    """How many bytes of text the server counts as a token."""
    max_tokens: int | None = None
    top_logprobs: int | None = None
    """Of how many tokens at each place the log-probabilities are asked for; None for none."""
    stop: tuple[str, ...] = ()
    """Texts before which the answer ends."""
    stream: bool = False
    stream_usage: bool = False
    """Whether the stream ends with the usage."""
    cache_key: str = ""
    """OpenAI's `prompt_cache_key`."""
    cache_mode: CacheMode = "implicit"
    """OpenAI's `prompt_cache_options.mode`."""
    held_tokens: int = 0
    """How many tokens of its beginning are Gemini's cached content."""
    parameters: frozenset[str] = frozenset()
    """The names of all the parameters sent."""

    @cached_property
    def tokens(self) -> int:
        """How many tokens the prompt has."""
        return sum(part.tokens for part in self.parts)

    @cached_property
    def images(self) -> int:
        """How many of the parts are images."""
        return sum(part.kind == "image" for part in self.parts)

    @cached_property
    def hash(self) -> bytes:
        """BLAKE2b of the model and the prompt, 16 bytes.

        The same in every dialect, and wherever a text of the prompt is divided into parts.
        """
        running = hashlib.blake2b(self.model.encode(), digest_size=HASH_BYTES)
        before = "image"
        for part in self.parts:
            if part.opens or "image" in (part.kind, before):
                running.update(part.header)
            running.update(part.content)
            before = part.kind
        return running.digest()

    def draw(self, purpose: str, seed: int = 0) -> float:
        """Returns a number in [0, 1) that depends on the prompt, a purpose and a seed alone."""
        salted = hashlib.blake2b(f"{seed} {purpose} ".encode() + self.hash, digest_size=8)
        return int.from_bytes(salted.digest()) / 2**64


class PartReader:
    """Collects the parts of a prompt while a dialect reads it.

    Args:
        pictures: Reads the images.
        bytes_per_token: How many bytes of text make a token.
        count: Counts the tokens of an image from its width and height.
    """

    def __init__(
        self, pictures: Pictures, bytes_per_token: int, count: Callable[[int, int], int]
    ) -> None:
        self.parts: list[Part] = []
        self._pictures, self._bytes_per_token, self._count = pictures, bytes_per_token, count
        self._role, self._opens = "user", True

    def open(self, role: str) -> None:
        """Begins a message."""
        self._role, self._opens = role, True

    def text(self, text: str, life_s: float | None = None) -> None:
        """Adds a text."""
        content = text.encode()
        self._add("text", content, text_tokens(content, self._bytes_per_token), life_s)

    def image(self, base64: str, media_type: str, life_s: float | None = None) -> Picture:
        """Adds an image.

        Raises:
            ImageError: It is none, or not of the type that it claims to be.
        """
        picture = self._pictures.read(base64)
        if media_type.replace("jpg", "jpeg") != picture.media_type:
            raise ImageError(f"it is {picture.media_type}, not {media_type}")
        self._add("image", picture.digest, self._count(picture.width, picture.height), life_s)
        return picture

    def call(self, model: str, before: tuple[Part, ...] = (), **more: Any) -> Call:
        """Returns the call whose prompt was read.

        Args:
            model: Who is called.
            before: Parts that come before those that were read.
            more: Further fields of the call.
        """
        return Call(
            model=model,
            parts=(*before, *self.parts),
            bytes_per_token=self._bytes_per_token,
            **more,
        )

    def _add(self, kind: Kind, content: bytes, tokens: int, life_s: float | None) -> None:
        self.parts.append(
            Part(
                kind=kind,
                role=self._role,
                content=content,
                tokens=tokens,
                opens=self._opens,
                life_s=life_s,
            )
        )
        self._opens = False
