"""The contract of a wire: how a policy's server is spoken to, whatever its protocol."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from icil.harness.models.errors import rubbish_error
from icil.tasks import ModelError

_BEGINNING = 40
"""Bytes of an answer that cannot be read which an error repeats."""

Observed = Mapping[str, Any]
"""What is sent of a state: arrays, texts and numbers by the server's own keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A demonstration, as it is sent to a policy that takes them."""

    observations: Sequence[Observed]
    """Of each step."""
    actions: Any
    """Shape (steps, dimension), float32, in the server's scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a server answered to an observation."""

    content: Any
    """Its answer, as it was sent."""
    timing: Mapping[str, float] = field(default_factory=dict)
    """What the server says of the time that it took, in milliseconds."""


class Session(ABC):
    """A conversation with a server, for one episode."""

    metadata: Mapping[str, Any]
    """What the server says of itself."""

    @abstractmethod
    async def begin(self, demonstrations: Sequence[Shown]) -> None:
        """Tells the server that an episode begins, and shows it demonstrations, if any.

        Raises:
            ModelError: It does not take them, or cannot be reached.
        """

    @abstractmethod
    async def infer(self, observed: Observed, timeout_s: float) -> Answered:
        """Sends an observation and returns the answer.

        Raises:
            ModelError: There was none within so many seconds, or it is not to be understood.
        """

    @abstractmethod
    async def close(self) -> None:
        """Ends the conversation; may be called more than once."""


class Wire(ABC):
    """A protocol, and the address that it is spoken at."""

    name: ClassVar[str]
    """The protocol's, as it begins the names of agents: `vla/openpi`."""
    endpoint: str
    """The address, to be shown: without user, password and query."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """What it was set to, as JSON."""

    @abstractmethod
    async def open(self) -> Session:
        """Opens a conversation.

        Raises:
            ModelError: The server cannot be reached, or does not speak the protocol.
        """

    async def close(self) -> None:  # noqa: B027 - not all hold anything
        """Closes what its sessions share."""


def late(timeout_s: float, what: str = "nothing came") -> ModelError:
    """Returns the error that silence stands for."""
    return ModelError(f"no answer: {what} within {timeout_s:g} s", fault="unavailable")


def rubbish(why: str, data: bytes) -> ModelError:
    """Returns the error that an answer stands for which cannot be read; its beginning is told."""
    begun = repr(data[:_BEGINNING].decode(errors="replace"))
    more = "…" if len(data) > _BEGINNING else ""
    return rubbish_error(f"{why}; it begins {begun}{more}" if data else "it is empty")
