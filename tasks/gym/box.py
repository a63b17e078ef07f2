"""Actions of a Box space as lists of numbers."""

import json
import math
from typing import Any, NoReturn

import numpy as np
from gymnasium.spaces import Box

from icil.tasks.actions import ParsedAction, excerpt


class BoxActions:
    """The actions of a Box, worded as `[0.5, -1.0]`."""

    def __init__(self, space: Box) -> None:
        self._space = space

    @staticmethod
    def word(value: Any) -> str:
        """Returns the wording of an action; floats keep all their digits."""
        return "[" + ", ".join(repr(float(x)) for x in np.asarray(value).reshape(-1)) + "]"

    def describe(self) -> str:
        """Returns one line that tells a model what is allowed."""
        low, high = self._space.low.reshape(-1), self._space.high.reshape(-1)
        if np.ptp(low) == 0 and np.ptp(high) == 0:
            return f"{low.size} numbers from {low[0]:g} to {high[0]:g}, as [a, b, …]"
        ranges = ", ".join(f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True))
        return f"{low.size} numbers, as [a, b, …], in turn from {ranges}"

    def sample(self, rng: np.random.Generator) -> str:
        """Returns a uniformly random action; a side without bound counts as 1 away."""
        low = np.where(np.isfinite(self._space.low), self._space.low, -1.0)
        high = np.where(np.isfinite(self._space.high), self._space.high, 1.0)
        return self.word(rng.uniform(low, high).astype(self._space.dtype))

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
            value = np.array(found, np.float64).reshape(self._space.shape)
        except OverflowError:
            return self._invalid("a number is too large")
        if not self._space.contains(value.astype(self._space.dtype)):
            return self._invalid("a number is out of range")
        value = value.astype(self._space.dtype)
        return ParsedAction(status="ok", action=self.word(value), value=value)

    @staticmethod
    def _invalid(reason: str) -> ParsedAction:
        return ParsedAction(status="invalid", reason=reason)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
