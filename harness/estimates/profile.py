"""What an estimate knows of a model: all that a call takes, but for the prompt."""

import re
from dataclasses import dataclass

from icil.harness.agents import Agent
from icil.harness.agents.model import ModelAgent
from icil.harness.estimates.caching import CacheRule, cache_rule
from icil.harness.estimates.usage_history import ModelName, model_name
from icil.harness.models import Sampling
from icil.harness.models.tables.catalogue import thinks_unasked
from icil.harness.models.tables.prices import Price
from icil.harness.models.tables.tokens import count_tokens
from icil.prompt_builders import Part


@dataclass(frozen=True, kw_only=True)
class ModelProfile:
    """A model that is asked."""

    name: ModelName
    price: Price | None
    """None where it is not known, or where there is none to pay."""
    free: bool = False
    caching: CacheRule
    sampling: Sampling
    thinks: bool = False
    """Whether it thinks before it answers, which takes tokens of its reply."""

    def count(self, part: Part) -> int:
        """Returns about how many tokens a part takes."""
        return count_tokens(part, *self.name)


_UNKNOWN = 1 << 20
"""Tokens of the longest reply of an agent that does not tell."""


def profile_of(name: str, agent: Agent) -> ModelProfile | None:
    """Returns the profile of the model that an agent asks; None if it asks none.

    Nothing is connected to, and no key is needed.

    Args:
        name: The agent's name, such as `openai/gpt-5`.
        agent: The agent.
    """
    if isinstance(agent, ModelAgent):
        provider, model = agent.provider, agent.model
        return ModelProfile(
            name=model_name(name),
            price=agent.price,
            free=agent.priced and agent.price is None,
            caching=cache_rule(provider, model, agent.settings),
            sampling=agent.sampling,
            thinks=_thinks(agent),
        )
    if agent.capabilities.demonstrations != "prompt":
        return None
    return ModelProfile(
        name=model_name(name),
        price=None,
        caching=CacheRule(),
        sampling=Sampling(max_output_tokens=_UNKNOWN),
    )


def _thinks(agent: ModelAgent) -> bool:
    for name, value in agent.sampling.parameters.items():
        if re.match("reasoning|thinking", name):
            return not re.search("none|disabled", str(value))
    return thinks_unasked(agent.provider, agent.model)
