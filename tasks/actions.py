"""The action language: what a model may say, and what became of what it said."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

ActionStatus = Literal["ok", "empty", "invalid", "illegal"]
"""`invalid` does not parse; `illegal` parses but is not allowed in this state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAction:
    """A reply read as an action."""

    status: ActionStatus
    action: str | None = None
    """The action in its canonical wording; set when `status` is `ok`."""
    value: Any = None
    """The action as the environment's `step` takes it; set when `status` is `ok`."""
    reason: str | None = None
    """Why it is not `ok`, in a few words; never holds more than a short excerpt."""


class ActionSpace(Protocol):
    """The legal actions of a state where they cannot be listed (continuous control)."""

    def describe(self) -> str:
        """Returns one line that tells a model what is allowed."""
        ...

    def sample(self, rng: np.random.Generator) -> str:
        """Returns a uniformly random legal action in the action language."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ActionBox:
    """The bounds of actions that are vectors (continuous control)."""

    low: NDArray[np.float64]
    """The least of each number, shape (dimension,)."""
    high: NDArray[np.float64]
    """The most of each number, shape (dimension,)."""

    @property
    def dimension(self) -> int:
        """How many numbers an action has."""
        return len(self.low)


LegalActions = Sequence[str] | ActionSpace
"""The legal actions of a state: all of them, in a fixed order, or a space to draw from."""


def sample_action(legal: LegalActions, rng: np.random.Generator) -> str:
    """Returns a uniformly random legal action."""
    if isinstance(legal, Sequence):
        return legal[int(rng.integers(len(legal)))]
    return legal.sample(rng)


def describe_actions(legal: LegalActions) -> str:
    """Returns the legal actions as one line."""
    return ", ".join(legal) if isinstance(legal, Sequence) else legal.describe()


def parse_choice(text: str, known: Mapping[str, Any], legal: Collection[str]) -> ParsedAction:
    """Reads a reply as one of finitely many actions, to the letter.

    Args:
        text: The reply; white space around it is ignored.
        known: Every action of the language, and what `step` takes for it.
        legal: Those allowed in this state.
    """
    action = text.strip()
    if not action:
        return ParsedAction(status="empty", reason="the reply is empty")
    if action not in known:
        return ParsedAction(status="invalid", reason=f"{excerpt(action)} is not an action")
    if action not in legal:
        return ParsedAction(status="illegal", reason=f"{action!r} is not allowed in this state")
    return ParsedAction(status="ok", action=action, value=known[action])


def excerpt(text: str, limit: int = 40) -> str:
    """Returns the quoted beginning of a text, for messages."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
