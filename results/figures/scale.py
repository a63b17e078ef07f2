"""How much is shown, on an axis: a number of demonstrations, or tokens filled with them."""

from collections.abc import Iterable, Mapping, Sequence
from math import log2
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHARACTER = 0.075
"""The width of a character of a tick's label, in inches."""


class Shows(Protocol):
    """Something with a size, such as a row of the leaderboard."""

    @property
    def demonstrations(self) -> int: ...  # noqa: D102
    @property
    def context_tokens(self) -> int | None: ...  # noqa: D102


class Size(NamedTuple):
    """How much is shown; numbers of demonstrations come before budgets."""

    tokens: int
    """The budget; 0 where demonstrations are counted."""
    demonstrations: int
    """0 where a budget is filled."""

    @classmethod
    def of(cls, one: Shows) -> "Size":
        """Returns the size of a row."""
        if one.context_tokens is not None:
            return cls(one.context_tokens, 0)
        return cls(0, one.demonstrations)

    @property
    def tick(self) -> str:
        """Returns the size as the label of a tick, such as `16` or `8k`."""
        return count_tokens(self.tokens) if self.tokens else str(self.demonstrations)

    @property
    def label(self) -> str:
        """Returns the size in words, such as `k = 16` or `8k tokens`."""
        return f"{self.tick} tokens" if self.tokens else f"k = {self.demonstrations}"


def count_tokens(tokens: int) -> str:
    """Returns a number of tokens in short: 8000 is `8k`, 1500000 is `1.5M`."""
    for unit, sign in ((10**6, "M"), (10**3, "k")):
        if tokens >= unit:
            return f"{tokens / unit:.4g}{sign}"
    return str(tokens)


def places(sizes: Iterable[int]) -> Mapping[int, float]:
    """Returns the places of numbers: their logarithms to base two, 0 a step before them.

    Numbers of demonstrations begin at 1, so that 0 is at −1; tokens begin where they begin.
    """
    found = sorted(set(sizes))
    first = next((log2(size) for size in found if size), 0.0)
    zero = -1.0 if first < 8 else first - 1
    return {size: log2(size) if size else zero for size in found}


def set_ticks(axes: "Axes", ticks: Mapping[float, str], width: float) -> None:
    """Labels places of the x axis, leaving out labels for which there is no room.

    The first and the last are kept, then every second, fourth, … of the others.

    Args:
        axes: Where.
        ticks: The labels by their places.
        width: Of the panel, in inches.
    """
    at = sorted(ticks)
    axes.set_xticks(at, [ticks[place] for place in at])
    span = (at[-1] - at[0]) * 1.1 or 1.0
    kept: list[float] = []
    for place in _by_weight(at):
        room = [(len(ticks[place]) + len(ticks[other])) / 2 + 1 for other in kept]
        apart = [abs(place - other) / span * width / _CHARACTER for other in kept]
        if all(has >= needs for has, needs in zip(apart, room, strict=True)):
            kept.append(place)
    axes.set_xticks(at, [ticks[place] if place in kept else "" for place in at])


def _by_weight(places: Sequence[float]) -> list[float]:
    def weight(number: int) -> int:
        return (number & -number) if number else len(places)

    last = len(places) - 1
    order = sorted(range(len(places)), key=lambda n: (-(n in (0, last)), -weight(n), n))
    return [places[n] for n in order]
