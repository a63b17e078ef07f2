"""The language of the cheetah: numbers as text, to and from.

An action is a JSON list of six numbers. Its canonical wording writes each as Python does, with
the fewest digits that give back the very same float64, so that a replay is exact.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from icil.tasks.actions import ParsedAction, excerpt
from icil.tasks.cheetah.simulation import ACTIONS, Vector

_LONGEST = 1000
"""Characters of a reply that are worth reading; six float64 take 160."""


class MotorSpace:
    """The legal actions: six numbers from -1 to 1, in every state."""

    def describe(self) -> str:
        """Returns one line that tells a model what is allowed."""
        return "[a, b, c, d, e, f], a list of six numbers, each in [-1, 1]"

    def sample(self, rng: np.random.Generator) -> str:
        """Returns a uniformly random action."""
        return word_action(rng.uniform(-1.0, 1.0, ACTIONS).tolist())


def word_action(numbers: Sequence[float]) -> str:
    """Returns an action in its canonical wording."""
    return f"[{', '.join(repr(number) for number in _plain(numbers))}]"


def word_state(position: Vector, velocity: Vector, decimals: int | None) -> str:
    """Returns a state as one line.

    Args:
        position: The position.
        velocity: The velocity.
        decimals: Digits behind the point; None for all that a float64 has.
    """
    return f"position {_numbers(position, decimals)}, velocity {_numbers(velocity, decimals)}"


def parse_action(text: str) -> ParsedAction:
    """Reads a reply as an action; its value is an array of six float64."""
    said = text.strip()
    if not said:
        return ParsedAction(status="empty", reason="the reply is empty")
    try:
        numbers = _plain(_read(said))
    except ValueError as error:
        return ParsedAction(status="invalid", reason=str(error))
    return ParsedAction(
        status="ok", action=word_action(numbers), value=np.array(numbers, dtype=np.float64)
    )


def _plain(numbers: Sequence[float]) -> list[float]:
    """Returns numbers with no negative zero among them: one action, one wording."""
    return [float(number) + 0.0 for number in numbers]


def _numbers(vector: Vector, decimals: int | None) -> str:
    words = map(repr, vector.tolist()) if decimals is None else _rounded(vector, decimals)
    return f"[{', '.join(words)}]"


def _rounded(vector: Vector, decimals: int) -> list[str]:
    return [f"{number:z.{decimals}f}" for number in vector.tolist()]


def _read(text: str) -> list[float]:
    """Returns the six numbers of an action.

    Raises:
        ValueError: It is none; the message says why.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"{excerpt(text)} is too long for an action")
    try:
        # Whole numbers as floats too: Python refuses to read very long ones.
        found: Any = json.loads(text, parse_int=float, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{excerpt(text)} is not a list of six numbers") from error
    except RecursionError as error:
        raise ValueError(f"{excerpt(text)} is nested too deeply") from error
    if not isinstance(found, list):
        raise ValueError(f"{excerpt(text)} is not a list")
    for place, number in enumerate(found, start=1):
        if not isinstance(number, float):
            raise ValueError(f"item {place} of the list is not a number")
        if not -1.0 <= number <= 1.0:
            raise ValueError(f"number {place} is {number:g}, outside [-1, 1]")
    if len(found) != ACTIONS:
        raise ValueError(f"the list has {len(found)} numbers, not {ACTIONS}")
    return found


def _constant(word: str) -> float:
    raise ValueError(f"{word} is not a finite number")
