"""The prompt: a prefix that is made once, a tail that only grows, and a question.

    prefix   instructions and demonstrations; one object for all the steps (and episodes)
             that share it, hashed once
    tail     the episode so far: observation, action, observation, …; append-only
    question what the model is asked now; the one thing that changes at the end

The parts of one step's prefix and tail are the beginning of the next step's, byte for
byte, so that a provider's prefix cache always hits.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from icil.prompt_builders.messages import Conversation, Message, make_messages
from icil.prompt_builders.parts import HASH_BYTES, ImagePart, Part, merge_text


@dataclass(frozen=True)
class Prefix:
    """The fixed beginning of a prompt."""

    parts: tuple[Part, ...]

    @cached_property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes of the parts, in their order."""
        return tuple([part.hash for part in self.parts])

    @cached_property
    def hasher(self) -> "hashlib.blake2b":
        """What hashed the parts; copy it to go on with those that follow."""
        return hashlib.blake2b(b"".join(self.hashes), digest_size=HASH_BYTES)

    @cached_property
    def hash(self) -> bytes:
        """The hash of the parts in their order, 16 bytes."""
        return self.hasher.digest()

    @cached_property
    def images(self) -> int:
        """How many of the parts are images."""
        return sum(isinstance(part, ImagePart) for part in self.parts)

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """The parts as turns of a conversation, texts that follow each other joined."""
        return make_messages(merge_text(self.parts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prefix) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is sent at one step.

    It shares its prefix and its tail with the prompts before and after it: making one costs
    nothing that grows with the prefix or with the episode.
    """

    prefix: Prefix
    history: list[Part] = field(compare=False, repr=False)
    """The tail's parts; only the first `length` of them belong to this prompt."""
    length: int
    question: tuple[Part, ...]
    hash: bytes
    """Of all the parts in their order, 16 bytes."""

    @property
    def tail(self) -> tuple[Part, ...]:
        """The episode so far."""
        return tuple(self.history[: self.length])

    @property
    def conversation(self) -> Conversation:
        """The prompt as turns of a conversation."""
        return Conversation(self.prefix.messages, make_messages([*self.tail, *self.question]))

    def __iter__(self) -> Iterator[Part]:
        """Yields all the parts, in the order in which the model reads them."""
        yield from self.prefix.parts
        for index in range(self.length):
            yield self.history[index]
        yield from self.question

    def text(self, image: str = "[image]") -> str:
        """Returns the whole prompt as a text, with a placeholder for each image."""
        return "".join(image if isinstance(part, ImagePart) else part.text for part in self)


class History:
    """An append-only list of parts with a running hash."""

    def __init__(self, prefix: Prefix) -> None:
        self.prefix = prefix
        self._parts: list[Part] = []
        self._hash = prefix.hasher.copy()

    def __len__(self) -> int:
        return len(self._parts)

    def append(self, *parts: Part) -> None:
        """Adds parts at the end."""
        for part in parts:
            self._parts.append(part)
            self._hash.update(part.hash)

    def since(self, length: int) -> tuple[Part, ...]:
        """Returns the parts that came after the first `length`."""
        return tuple(self._parts[length:])

    def ask(self, question: tuple[Part, ...]) -> Prompt:
        """Returns the prompt that ends with a question; the history stays as it is."""
        running = self._hash.copy()
        for part in question:
            running.update(part.hash)
        return Prompt(self.prefix, self._parts, len(self._parts), question, running.digest())
