"""Synthetic demonstrations: episodes that are proposed, filtered, and made into pools."""

from icil.prompt_builders.synthesis.filters import (
    Filter,
    Ground,
    NothingKeptError,
    Outcome,
    read_filter,
)
from icil.prompt_builders.synthesis.making import make_synthetic_pool
from icil.prompt_builders.synthesis.perturbed import propose_perturbed
from icil.prompt_builders.synthesis.proposal import Proposal, Proposed, first_new_opening

__all__ = [
    "Filter",
    "Ground",
    "NothingKeptError",
    "Outcome",
    "Proposal",
    "Proposed",
    "first_new_opening",
    "make_synthetic_pool",
    "propose_perturbed",
    "read_filter",
]
