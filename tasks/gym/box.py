"""Actions of a Box space as lists of numbers."""

import json
import math
from typing import Any, NoReturn

import numpy as np
from gymnasium.spaces import Box

from icil.tasks.actions import ParsedAction, excerpt


class BoxActions:
    """The actions of a Box, worded as `[0.5, -1.0]`, or as `[3, 0]` if they are whole."""

    def __init__(self, space: Box) -> None:
        self._space = space
        self._whole = np.issubdtype(space.dtype, np.integer)

    @staticmethod
    def word(value: Any) -> str:
        """Returns the wording of an action; floats keep all their digits."""
        return f"[{', '.join(map(repr, np.asarray(value).reshape(-1).tolist()))}]"

    def describe(self) -> str:
        """Returns one line that tells a model what is allowed."""
        low, high = self._space.low.reshape(-1).tolist(), self._space.high.reshape(-1).tolist()
        what = "whole number" if self._whole else "number"
        if len(low) == 1:
            return f"1 {what} from {low[0]:g} to {high[0]:g}, as [a]"
        if len(set(low)) == len(set(high)) == 1:
            return f"{len(low)} {what}s from {low[0]:g} to {high[0]:g}, as [a, b, …]"
        ranges = ", ".join(f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True))
        return f"{len(low)} {what}s, as [a, b, …], in turn from {ranges}"

    def sample(self, rng: np.random.Generator) -> str:
        """Returns a uniformly random action.

        A side without bound counts as 1 away from the other, and as 1 away from 0 if both are.
        """
        low, high = self._space.low, self._space.high
        if self._whole:
            return self.word(
                rng.integers(low.astype(np.int64), high.astype(np.int64), endpoint=True)
            )
        below, above = np.isfinite(low), np.isfinite(high)
        least = np.where(below, low, np.where(above, high - 1.0, -1.0))
        most = np.where(above, high, np.where(below, low + 1.0, 1.0))
        return self.word(rng.uniform(least, most).astype(self._space.dtype))

    def parse(self, text: str) -> ParsedAction:
        """Reads a list of as many numbers as the space has, within its bounds."""
        text = text.strip()
        if not text:
            return ParsedAction(status="empty", reason="the reply is empty")
        try:
            found = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return self._invalid(f"{excerpt(text)} is not a list of numbers")
        if not isinstance(found, list) or not all(type(x) in (int, float) for x in found):
            return self._invalid(f"{excerpt(text)} is not a list of numbers")
        size = math.prod(self._space.shape)
        if len(found) != size:
            return self._invalid(f"expected {size} numbers, got {len(found)}")
        try:
            numbers = np.array(found, np.float64).reshape(self._space.shape)
        except OverflowError:
            return self._invalid("a number is too large")
        if self._whole and not (numbers == np.round(numbers)).all():
            return self._invalid("a number is not whole")
        if not self._holds(numbers):
            return self._invalid("a number is out of range")
        value = numbers.astype(self._space.dtype)
        return ParsedAction(status="ok", action=self.word(value), value=value)

    def _holds(self, numbers: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
        """Whether they are in range; floats as precise as the space's own bounds are."""
        with np.errstate(over="ignore"):
            seen = numbers if self._whole else numbers.astype(self._space.dtype)
        inside = (self._space.low <= seen) & (seen <= self._space.high) & np.isfinite(seen)
        return bool(inside.all())

    @staticmethod
    def _invalid(reason: str) -> ParsedAction:
        return ParsedAction(status="invalid", reason=reason)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
