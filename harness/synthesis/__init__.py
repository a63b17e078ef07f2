"""Synthetic demonstrations that somebody plays through the runner, and that models rate."""

from icil.harness.synthesis.functions import FunctionAgent
from icil.harness.synthesis.likert import LikertFilter
from icil.harness.synthesis.runs import IncompleteError, Manner
from icil.harness.synthesis.synthesize import synthesize

__all__ = ["FunctionAgent", "IncompleteError", "LikertFilter", "Manner", "synthesize"]
