"""Performance profiles: the share of tasks and formats in which an agent scores above a bar.

The bar goes over the normalised scores (Agarwal et al. 2021, *Deep reinforcement learning at the
edge of the statistical precipice*). A run's score in a task and format is a mean over its
openings, as theirs is over evaluation episodes; the 95 % band resamples the openings of each task.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from icil.results.overall import contenders, normalized_scores
from icil.results.scored import Scored, as_scored
from icil.results.statistics import Floats, interval
from icil.results.store import RunStore

BARS = tuple(round(0.02 * number, 2) for number in range(-10, 61))
"""From −0.2 to 1.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The profile of an agent."""

    agent: str
    selector: str
    demonstrations: str
    """Which cells it is made of, as in `leaderboard_overall.csv`."""
    scores: int
    """How many there are, by task and format."""
    bars: tuple[float, ...]
    """Normalised scores."""
    shares: tuple[float, ...]
    """For each bar the share of scores above it."""
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


def profiles(source: RunStore | Scored, bars: Sequence[float] = BARS) -> tuple[Profile, ...]:
    """Computes the profiles of a run, or of several that were read: those of all that have a score.

    Args:
        source: The run.
        bars: Normalised scores, rising.
    """
    found = []
    for one in contenders(as_scored(source)):
        scores = normalized_scores(one)
        if scores is None:
            continue
        bands = [interval(_above(scores.resampled, bar)) for bar in bars]
        found.append(
            Profile(
                agent=one.agent,
                selector=one.selector,
                demonstrations=one.demonstrations,
                scores=len(scores.places),
                bars=tuple(bars),
                shares=tuple(float(_above(scores.means, bar)) for bar in bars),
                low=tuple(low for low, _ in bands),
                high=tuple(high for _, high in bands),
            )
        )
    return tuple(found)


def _above(scores: Floats, bar: float) -> Floats:
    """Returns the share of scores above a bar, over the last axis; NaN where one is."""
    share = np.asarray((scores > bar).mean(axis=-1))
    return np.where(np.isnan(scores).any(axis=-1), np.nan, share)
