"""Estimates: what an experiment will take, before anything is sent."""

from icil.harness.estimates.amounts import Amounts, Range
from icil.harness.estimates.cell import CellEstimate, Overlong
from icil.harness.estimates.estimate import Estimate, make_estimate
from icil.harness.estimates.profile import ModelProfile, profile_of

__all__ = [
    "Amounts",
    "CellEstimate",
    "Estimate",
    "ModelProfile",
    "Overlong",
    "Range",
    "make_estimate",
    "profile_of",
]
