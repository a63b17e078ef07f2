"""Push-T as a task."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, ParsedAction
from icil.tasks.errors import UnknownNameError, UsageError
from icil.tasks.gym.box import BoxActions
from icil.tasks.observation import Observation
from icil.tasks.openings import SeededOpenings, Split
from icil.tasks.pusht.env import SCORES, PushTEnv, Score
from icil.tasks.pusht.expert import PushPlanner
from icil.tasks.pusht.library import check_installed
from icil.tasks.pusht.shape import SIDE
from icil.tasks.task import Task

HORIZON = 100
"""Steps of an episode unless set otherwise, at ten a second; gym-pusht allows 300."""
DECIMALS = 1
"""Of the pixels shown unless set otherwise."""
PICTURE = 224
"""Pixels of a picture's side unless set otherwise; the field's own policies see 96."""
KEY_DECIMALS = 3

_ANGLE_DECIMALS = 2
"""Of an angle, beyond those of pixels."""
_LONGEST, _LARGEST, _MOST_DECIMALS = 1000, 512, 14
_SPACE = BoxActions(Box(0.0, SIDE, (2,), np.float64))


class PushT(Task[PushTEnv]):
    """A round pusher moves a T onto its target; see `env.py` for what is paid.

    Args:
        score: `coverage`, `coverage_last`, `success_any` or `success_last`.
        horizon: Steps of an episode, 1 to 1000.
        side: Pixels of a picture's side, 16 to 512.
        decimals: Of the pixels in `proprio`; an angle has two more. None for all that a float64
            has.

    Raises:
        UsageError: A setting cannot be, or gym-pusht is not installed.
    """

    name: str = "pusht"
    version: int = 1
    summary: str = "a round pusher moves a T-shaped block onto its target (gym-pusht)"
    instruction: str = "Push the T-shaped block onto the T-shaped target."
    formats: tuple[str, ...] = ("proprio", "rgb")
    image_formats: tuple[str, ...] = ("rgb",)
    goal: bool = True
    slow: bool = True

    def __init__(
        self,
        *,
        score: Score = "coverage",
        horizon: int = HORIZON,
        side: int = PICTURE,
        decimals: int | None = DECIMALS,
    ) -> None:
        check_installed()
        if score not in SCORES:
            raise UnknownNameError("score", score, SCORES)
        _check("horizon", horizon, 1, _LONGEST)
        _check("side", side, 16, _LARGEST)
        if decimals is not None:
            _check("decimals", decimals, 0, _MOST_DECIMALS)
        self.horizon, self._score, self._side, self._decimals = horizon, score, side, decimals

    @property
    def settings(self) -> Mapping[str, Any]:
        """What differs from the defaults."""
        given = {
            "score": (self._score, "coverage"),
            "horizon": (self.horizon, HORIZON),
            "side": (self._side, PICTURE),
            "decimals": (self._decimals, DECIMALS),
        }
        return {name: value for name, (value, usual) in given.items() if value != usual}

    @property
    def action_box(self) -> ActionBox:
        """Where the pusher is drawn to: x and y, in pixels."""
        return ActionBox(np.zeros(2), np.full(2, SIDE))

    def word(self, vector: NDArray[np.float64]) -> str:
        """Returns the action that a vector of two numbers is."""
        return BoxActions.word(vector.clip(0.0, SIDE))

    def make_env(self) -> PushTEnv:
        """Returns a new table."""
        return PushTEnv(self.horizon, self._score, self._side)

    def openings(self, split: Split) -> SeededOpenings:
        """Returns seeds of gym-pusht; there is no end of them."""
        return SeededOpenings(self.name, self.version, split)

    def state_key(self, env: PushTEnv) -> str:
        """Returns pusher, block and angle, to three decimals."""
        return " ".join(f"{number:z.{KEY_DECIMALS}f}" for number in env.numbers.tolist())

    def observe(self, env: PushTEnv, format: str) -> Observation:
        """Tells where pusher and block are, or draws them and the target."""
        self.check_format(format)
        if format == "rgb":
            return Observation(image=env.render())
        return self.word_state(env.numbers)

    def word_state(self, numbers: NDArray[np.float64]) -> Observation:
        """Returns pusher, block and angle as one line; see `Task`.

        Raises:
            UsageError: They are not five numbers.
        """
        if numbers.shape != (5,):
            raise UsageError(f"a state of pusht is 5 numbers, not {numbers.shape}")
        if self._decimals is None:
            x, y, left, top, angle = map(repr, numbers.tolist())
        else:
            x, y, left, top = (f"{number:z.{self._decimals}f}" for number in numbers[:4].tolist())
            angle = f"{float(numbers[4]):z.{self._decimals + _ANGLE_DECIMALS}f}"
        text = f"pusher [{x}, {y}], block [{left}, {top}], angle {angle}"
        return Observation(text=text, state=numbers)

    def legal_actions(self, env: PushTEnv) -> BoxActions:
        """Returns all lists of two numbers from 0 to 512."""
        return _SPACE

    def parse(self, text: str, env: PushTEnv) -> ParsedAction:
        """Reads a JSON list of two numbers from 0 to 512."""
        return _SPACE.parse(text)

    def expert(self) -> PushPlanner:
        """Returns the expert."""
        return PushPlanner()


def _check(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        null = " or null" if name == "decimals" else ""
        raise UsageError(
            f"{name} of pusht is a whole number from {least} to {most}{null}, not {value!r}"
        )
