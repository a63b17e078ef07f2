"""What scores are judged by: resampling, tests of differences, corrections, power."""

from icil.results.statistics.bootstrap import BOUNDS, Floats, interval, resampled_means, weights
from icil.results.statistics.clusters import Clusters
from icil.results.statistics.power import POWER, openings_needed
from icil.results.statistics.significance import LEVEL, holm, sign_flip_p, unit_sums

__all__ = [
    "BOUNDS",
    "Clusters",
    "Floats",
    "LEVEL",
    "POWER",
    "holm",
    "interval",
    "openings_needed",
    "resampled_means",
    "sign_flip_p",
    "unit_sums",
    "weights",
]
