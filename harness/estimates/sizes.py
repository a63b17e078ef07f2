"""Sizes: how much of a model's context the parts of a prompt take.

Sizes are sums and means, and so no whole numbers. Texts and images are counted apart: what a
provider counts for them differs from what is counted here by two ratios.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from icil.harness.agents import Agent
from icil.harness.planning import fitting
from icil.prompt_builders import ImagePart, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much something takes."""

    text: float = 0.0
    """Tokens of its texts, as they are counted here."""
    image: float = 0.0
    """Tokens of its images, as they are counted here."""
    images: float = 0.0
    bytes: float = 0.0
    """Of a request, images in base64."""

    def __add__(self, other: "Size") -> "Size":
        return Size(
            text=self.text + other.text,
            image=self.image + other.image,
            images=self.images + other.images,
            bytes=self.bytes + other.bytes,
        )

    def __sub__(self, other: "Size") -> "Size":
        return self + other * -1.0

    def __mul__(self, factor: float) -> "Size":
        return Size(
            text=self.text * factor,
            image=self.image * factor,
            images=self.images * factor,
            bytes=self.bytes * factor,
        )

    @property
    def fitting(self) -> fitting.Size:
        """The same as a run measures it."""
        tokens = round(self.text + self.image)
        return fitting.Size(tokens=tokens, images=round(self.images), bytes=self.bytes)


NOTHING = Size()

Measure = Callable[[Iterable[Part]], Size]
"""Returns the size of parts together."""


def measure_for(agent: Agent, count: Callable[[Part], int]) -> Measure:
    """Returns what measures parts for an agent.

    Args:
        agent: The agent.
        count: Counts a part's tokens.
    """

    def measure(parts: Iterable[Part]) -> Size:
        listed = list(parts)
        raw = fitting.measure(agent, listed)
        tokens = [(isinstance(part, ImagePart), count(part)) for part in listed]
        return Size(
            text=sum(number for is_image, number in tokens if not is_image),
            image=sum(number for is_image, number in tokens if is_image),
            images=raw.images,
            bytes=raw.bytes,
        )

    return measure


def mean(sizes: Iterable[Size]) -> Size:
    """Returns the mean; there is at least one."""
    listed = list(sizes)
    return sum(listed, NOTHING) * (1 / len(listed))
