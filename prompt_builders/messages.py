"""Messages: a prompt's parts as the turns of a conversation.

A prompt laid out as one message (`single`) is one user message. One laid out as a chat has a
user message for what is shown and an assistant message for each action. Where the prefix
ends and the tail begins, a message may be open: the tail's first parts go on in it.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from icil.prompt_builders.parts import Part, Role, role_of


class Message(NamedTuple):
    """What one side says at once."""

    role: Role
    parts: tuple[Part, ...]
    """At least one."""


class Conversation(NamedTuple):
    """A prompt as messages."""

    prefix: tuple[Message, ...]
    """Of the fixed beginning; texts that follow each other are joined."""
    rest: tuple[Message, ...]
    """Of the tail and the question, each part on its own, as it was added."""

    @property
    def joined(self) -> bool:
        """Whether the first message of the rest goes on in the last one of the prefix."""
        return self.prefix[-1].role == self.rest[0].role


def make_messages(parts: Iterable[Part]) -> tuple[Message, ...]:
    """Groups parts by who says them."""
    return tuple(Message(role, tuple(run)) for role, run in groupby(parts, key=role_of))
