"""The sizes of prefixes, without making each: a prefix is a sum of its demonstrations.

What one demonstration takes is measured on a real prefix that shows it alone. Beyond some
hundreds of steps no more are rendered, and the others are taken from their numbers of steps.
"""

import numpy as np

from icil.harness.estimates.sizes import Measure, Size, mean
from icil.prompt_builders import PromptBuilder, Selection
from icil.tasks import Demonstration

_MOST_STEPS, _MOST_PICTURES = 1500, 200
"""Steps of demonstrations that are rendered for one task and format."""
_FEWEST = 4
"""Demonstrations that are rendered in any case."""


class PrefixSizes:
    """Knows the sizes of the prefixes of one task in one format.

    Args:
        builder: Makes prefixes.
        measure: Measures them.
    """

    def __init__(self, builder: PromptBuilder, measure: Measure) -> None:
        self._builder, self._measure = builder, measure
        pictures = builder.format in builder.task.image_formats
        self._left = _MOST_PICTURES if pictures else _MOST_STEPS
        self._alone: dict[str, tuple[Demonstration, Size]] = {}
        """Prefixes that show one demonstration, by its id."""
        self._frame: Size | None = None
        """What prefixes share: all but their demonstrations."""

    def of(self, selection: Selection) -> Size:
        """Returns the size of the prefix that shows these demonstrations."""
        chosen = selection.demonstrations
        if not chosen:
            return self._real()
        if len(chosen) == 1:
            return self._one(chosen[0])
        if self._frame is None:
            first, second = chosen[:2]
            self._frame = self._one(first) + self._one(second) - self._real(first, second)
        total = self._frame
        for demonstration in chosen:
            total += self._one(demonstration) - self._frame
        return total

    def _one(self, demonstration: Demonstration) -> Size:
        known = self._alone.get(demonstration.id)
        if known is not None and known[0] is demonstration:
            return known[1]
        if self._left <= 0 and len(self._alone) >= _FEWEST:
            return self._guess(len(demonstration.steps))
        self._left -= len(demonstration.steps)
        size = self._real(demonstration)
        self._alone[demonstration.id] = (demonstration, size)
        return size

    def _real(self, *demonstrations: Demonstration) -> Size:
        chosen = Selection(demonstrations=demonstrations, reasons=("",) * len(demonstrations))
        return self._measure(self._builder.prefix(chosen).parts)

    def _guess(self, steps: int) -> Size:
        """Returns what a demonstration of so many steps takes, by those that were measured."""
        known = [(len(shown.steps), size) for shown, size in self._alone.values()]
        lengths = np.array([count for count, _ in known], float)
        if np.ptp(lengths) == 0:
            return mean(size for _, size in known)

        def line(values: list[float]) -> float:
            slope, start = np.polyfit(lengths, np.array(values), 1)
            return float(max(0.0, start + slope * steps))

        return Size(
            text=line([size.text for _, size in known]),
            image=line([size.image for _, size in known]),
            images=line([size.images for _, size in known]),
            bytes=line([size.bytes for _, size in known]),
        )
