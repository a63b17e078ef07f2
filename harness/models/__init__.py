"""Models: whoever answers a prompt, behind one contract, and what calling them takes."""

from icil.harness.models.completion import Completion, Finish, Place, Sampling, Tokens
from icil.harness.models.provider import Provider
from icil.harness.models.tables.limits import Limits

__all__ = ["Completion", "Finish", "Limits", "Place", "Provider", "Sampling", "Tokens"]
