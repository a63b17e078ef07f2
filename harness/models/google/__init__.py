"""Google: Gemini, its REST interface and what it caches."""

from icil.harness.models.google.provider import GoogleProvider

__all__ = ["GoogleProvider"]
