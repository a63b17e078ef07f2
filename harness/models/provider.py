"""The contract of a provider: one model, reached through one client.

A provider sends a prompt once and says what came back; it neither waits nor tries again.
Waiting, trying again, pricing and recording are done around it, alike for all.
"""

from abc import ABC, abstractmethod

from icil.harness.models.completion import Completion, Sampling
from icil.harness.models.tables.limits import Limits
from icil.prompt_builders import Part, Prefix, Prompt


class Provider(ABC):
    """One model at one provider. Serves many episodes at once, on one event loop.

    What takes longer than a few milliseconds (encoding megabytes, blocking clients) is done in
    threads.
    """

    name: str
    """The provider: `openai`, `anthropic`, `google`, `litellm`, `local`, `transformers`."""
    model: str
    """As it was asked for."""
    endpoint: str
    """Where requests go, without any secret."""
    limits: Limits
    most_at_once: int = 1024
    """How many requests it can have on their way; fewer if fewer episodes play."""

    @abstractmethod
    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Sends a prompt once.

        Raises:
            ModelError: There was no answer, or not a whole one; `fault` says why.
        """

    def tokens(self, part: Part) -> int:
        """Returns about how many tokens a part takes, without asking anybody."""
        from icil.harness.models.tables.tokens import count_tokens

        return count_tokens(part, self.name, self.model)

    async def forget(self, prefix: Prefix) -> None:  # noqa: B027 - not all keep anything
        """Is told that no more prompts with this prefix will come: ends what caching it costs."""

    async def close(self) -> None:  # noqa: B027 - not all hold anything
        """Lets go of connections, and of what is cached at the provider."""
