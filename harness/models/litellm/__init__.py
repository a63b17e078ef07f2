"""litellm: whatever it reaches."""

from icil.harness.models.litellm.provider import LiteLLMProvider

__all__ = ["LiteLLMProvider"]
