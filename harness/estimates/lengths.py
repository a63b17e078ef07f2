"""How many steps episodes will have: from what was played, or between chance and the expert."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from icil.harness.cells import TaskPlan

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


def known_lengths(counts: Counter[int], source: str, horizon: int) -> Lengths:
    """Returns lengths by episodes that were played.

    Args:
        counts: How many episodes had so many steps; at least one.
        source: Where that is known from.
        horizon: The most steps that an episode can have.
    """
    total = counts.total()
    mean = sum(n * count for n, count in counts.items()) / total
    spread = sum(count * (n - mean) ** 2 for n, count in counts.items())
    error = _SURE * sqrt(spread / max(1, total - 1) / total) / mean
    return Lengths(
        low=_scaled(counts, 1 - error, horizon),
        expected=dict(counts),
        high=_scaled(counts, 1 + error, horizon),
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
    by_mean = sorted(known.values(), key=lambda c: sum(n * k for n, k in c.items()) / c.total())
    expected = known.get("random", by_mean[-1])
    return Lengths(
        low=dict(by_mean[0]),
        expected=dict(expected),
        high=dict(by_mean[-1]),
        source=f"the {' and the '.join(sorted(known, reverse=True))} player",
    )


def _scaled(counts: Counter[int], factor: float, horizon: int) -> Counts:
    """Returns lengths that are longer or shorter by a factor, parted between whole numbers."""
    found: dict[int, float] = {}
    for n, count in counts.items():
        length = min(float(horizon), max(1.0, n * factor))
        whole = int(length)
        found[whole] = found.get(whole, 0.0) + count * (whole + 1 - length)
        if length > whole:
            found[whole + 1] = found.get(whole + 1, 0.0) + count * (length - whole)
    return found
