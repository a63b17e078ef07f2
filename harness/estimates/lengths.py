"""How many steps episodes will have: from what was played, or between chance and the expert."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from icil.harness.planning.cells import TaskPlan

_SURE = 1.96
"""Standard errors on either side of a mean that 95 % lie between."""

Counts = Mapping[int, float]
"""How often episodes have so many steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How many steps episodes will have; each is a weight by number of steps."""

    low: Counts
    expected: Counts
    high: Counts
    source: str
    """Where that is known from, in a few words."""

    @property
    def longest(self) -> int:
        """The most steps of any."""
        return max(max(counts, default=0) for counts in (self.low, self.expected, self.high))


def known_lengths(counts: Counter[int], source: str, horizon: int, left: int) -> Lengths:
    """Returns lengths by episodes that were played.

    Args:
        counts: How many episodes had so many steps; at least one.
        source: Where that is known from.
        horizon: The most steps that an episode can have.
        left: How many episodes are still to be played; their mean is as uncertain as the known.
    """
    total, mean = counts.total(), mean_steps(counts)
    spread = sum(count * (n - mean) ** 2 for n, count in counts.items())
    error = _SURE * sqrt(spread / max(1, total - 1) * (1 / total + 1 / max(1, left))) / mean
    return Lengths(
        low=_scaled(counts, 1 - error, horizon),
        expected=dict(counts),
        high=_lengthened(counts, 1 + error, horizon),
        source=source,
    )


def reference_lengths(task: TaskPlan, players: Mapping[str, Counter[int]]) -> Lengths:
    """Returns lengths between those of the reference players.

    Args:
        task: The task.
        players: How many episodes of each player had so many steps.
    """
    horizon = task.task.horizon
    known = {name: counts for name, counts in players.items() if counts}
    if not known:
        longest = {horizon: 1.0}
        return Lengths(low={1: 1.0}, expected=longest, high=longest, source="the horizon")
    by_mean = sorted(known.values(), key=mean_steps)
    expected = known.get("random", by_mean[-1])
    return Lengths(
        low=dict(by_mean[0]),
        expected=dict(expected),
        high=dict(by_mean[-1]),
        source=f"the {' and the '.join(sorted(known, reverse=True))} player",
    )


def mean_steps(counts: Counts) -> float:
    """Returns how many steps episodes have in the mean."""
    return sum(n * count for n, count in counts.items()) / sum(counts.values())


def _lengthened(counts: Counts, factor: float, horizon: int) -> Counts:
    """Returns lengths whose mean is longer by a factor, if the horizon lets it be.

    What would go past the horizon is made up for by more episodes that last until then.
    """
    found = _scaled(counts, factor, horizon)
    wanted, reached = min(float(horizon), mean_steps(counts) * factor), mean_steps(found)
    if reached >= wanted:
        return found
    share = (wanted - reached) / (horizon - reached)
    weighed = {n: (1 - share) * count for n, count in found.items()}
    weighed[horizon] = weighed.get(horizon, 0.0) + share * sum(found.values())
    return weighed


def _scaled(counts: Counts, factor: float, horizon: int) -> Counts:
    """Returns lengths that are longer or shorter by a factor, parted between whole numbers."""
    found: dict[int, float] = {}
    for n, count in counts.items():
        length = min(float(horizon), max(1.0, n * factor))
        whole = int(length)
        found[whole] = found.get(whole, 0.0) + count * (whole + 1 - length)
        if length > whole:
            found[whole + 1] = found.get(whole + 1, 0.0) + count * (length - whole)
    return found
