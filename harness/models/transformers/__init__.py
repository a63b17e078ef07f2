"""Hugging Face models in this process."""

from icil.harness.models.transformers.provider import TransformersProvider

__all__ = ["TransformersProvider"]
