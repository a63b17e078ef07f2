"""Synthetic demonstrations that somebody plays through the runner; episodes that models rate."""

from icil.harness.synthesis.functions import FunctionAgent
from icil.harness.synthesis.likert import LikertFilter
from icil.harness.synthesis.pool_ratings import PoolRatings, rate_pool
from icil.harness.synthesis.rater import Judge
from icil.harness.synthesis.runs import IncompleteError, Manner
from icil.harness.synthesis.synthesize import synthesize

__all__ = [
    "FunctionAgent",
    "IncompleteError",
    "Judge",
    "LikertFilter",
    "Manner",
    "PoolRatings",
    "rate_pool",
    "synthesize",
]
