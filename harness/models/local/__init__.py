"""Local servers that speak OpenAI's chat completions."""

from icil.harness.models.local.provider import LocalProvider

__all__ = ["LocalProvider"]
