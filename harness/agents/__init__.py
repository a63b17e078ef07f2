"""Agents, and the registry of them."""

from collections.abc import Callable

from icil.harness.agents.agent import (
    Agent,
    Capabilities,
    DemonstrationUse,
    EpisodeContext,
    Reply,
    Turn,
)
from icil.tasks.registry import Factory, Found, Registry

_REGISTRY: Registry[Agent] = Registry(
    "agent",
    "icil.agents",
    {
        "expert": "icil.harness.agents.expert:ExpertAgent",
        "nearest": "icil.harness.agents.nearest:NearestAgent",
        "random": "icil.harness.agents.random:RandomAgent",
        "replay": "icil.harness.agents.replay:ReplayAgent",
    },
)


def register(name: str) -> Callable[[Factory], Factory]:
    """Returns a decorator that registers an agent under a name."""
    return _REGISTRY.register(name)


def names() -> tuple[str, ...]:
    """Returns the names of all agents, sorted."""
    return _REGISTRY.names()


def find(name: str) -> Found[Agent]:
    """Finds what makes the agent of a name.

    Raises:
        UnknownNameError: There is no such agent; the message names the nearest.
    """
    return _REGISTRY.find(name)


def make(name: str) -> Agent:
    """Makes an agent by its name.

    Raises:
        UnknownNameError: There is no such agent; the message names the nearest.
    """
    return _REGISTRY.make(name)


__all__ = [
    "Agent",
    "Capabilities",
    "DemonstrationUse",
    "EpisodeContext",
    "Reply",
    "Turn",
    "find",
    "make",
    "names",
    "register",
]
