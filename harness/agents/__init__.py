"""Agents, and the registry of them."""

from collections.abc import Callable, Mapping
from typing import Any

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
        "anthropic/": "icil.harness.agents.families:ANTHROPIC",
        "expert": "icil.harness.agents.expert:ExpertAgent",
        "google/": "icil.harness.agents.families:GOOGLE",
        "litellm/": "icil.harness.agents.families:LITELLM",
        "local/": "icil.harness.agents.families:LOCAL",
        "nearest": "icil.harness.agents.nearest:NearestAgent",
        "openai/": "icil.harness.agents.families:OPENAI",
        "random": "icil.harness.agents.random:RandomAgent",
        "replay": "icil.harness.agents.replay:ReplayAgent",
        "transformers/": "icil.harness.agents.families:TRANSFORMERS",
        "vla/act@": "icil.harness.policies.agent:act",
        "vla/openpi@": "icil.harness.policies.agent:openpi",
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


def factory(name: str) -> Callable[..., Agent]:
    """Returns what makes the agent, or the family of agents, of one of `names`."""
    return _REGISTRY.factory(name)


def make(name: str, settings: Mapping[str, Any] | None = None) -> Agent:
    """Makes an agent by its name.

    Raises:
        UnknownNameError: There is no such agent, or it has no such setting; the message names
            the nearest.
    """
    return _REGISTRY.make(name, settings)


__all__ = [
    "Agent",
    "Capabilities",
    "DemonstrationUse",
    "EpisodeContext",
    "Reply",
    "Turn",
    "factory",
    "find",
    "make",
    "names",
    "register",
]
