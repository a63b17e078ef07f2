"""Proposals: episodes that somebody played, and that may become demonstrations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from icil.tasks import Demonstration, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An episode."""

    demonstration: Demonstration
    """What was played, whoever chose it."""
    wrong: int = 0
    """How many replies were no legal action, so that a random one was played instead."""


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What a proposer played."""

    proposer: str
    """Its name."""
    settings: Mapping[str, Any]
    """What else decided how it played, as JSON."""
    demonstrations: int = 0
    """How many real ones it was shown for each episode."""
    episodes: tuple[Proposal, ...]


def first_new_opening(pool: Pool) -> int:
    """Returns the index of the first demonstration opening that is new to a pool.

    Those before it were demonstrated, or played for the pool and not kept.
    """
    last = max(demonstration.opening.index for demonstration in pool.demonstrations)
    return max(pool.card.played, last + 1)
