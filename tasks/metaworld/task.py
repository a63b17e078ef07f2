"""A task of Meta-World as a task."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, ParsedAction
from icil.tasks.errors import UnknownNameError, UsageError
from icil.tasks.gym.box import BoxActions
from icil.tasks.metaworld.env import SCORES, MetaWorldEnv, Score
from icil.tasks.metaworld.expert import Scripted
from icil.tasks.metaworld.instructions import INSTRUCTIONS
from icil.tasks.metaworld.library import check_name
from icil.tasks.metaworld.rendering import CAMERAS, as_picture
from icil.tasks.observation import Observation
from icil.tasks.openings import SeededOpenings, Split
from icil.tasks.task import Task

HORIZON = 200
"""Steps of an episode unless set otherwise: the scripts need 60 to 150, the library allows 500."""
DECIMALS = 3
"""Of the numbers shown unless set otherwise: millimetres."""
KEY_DECIMALS = 4

_SPACE = BoxActions(Box(-1.0, 1.0, (4,), np.float64))
_LONGEST = 500
_MOST_DECIMALS = 17
_HAND, _FIRST, _SECOND, _GOAL = slice(0, 3), slice(4, 11), slice(11, 18), slice(36, 39)
"""Where things stand among the 39 numbers; the gripper is the fourth."""


class MetaWorld(Task[MetaWorldEnv]):
    """An arm moves its hand and gripper to do one thing; see `env.py` for what is paid.

    Args:
        name: Which thing, by the library's name: `reach-v3`.
        score: `success_any`, `success_last` or `reward`.
        horizon: Steps of an episode, 1 to 500.
        camera: The view of `rgb`.
        decimals: Of the numbers in `proprio`; None for all that a float64 has.

    Raises:
        UsageError: There is no such thing, a setting cannot be, or metaworld is not installed.
    """

    version: int = 1
    formats: tuple[str, ...] = ("proprio", "rgb")
    image_formats: tuple[str, ...] = ("rgb",)
    cameras: tuple[str, ...] = CAMERAS
    goal: bool = True
    slow: bool = True

    def __init__(
        self,
        name: str,
        *,
        score: Score = "success_any",
        horizon: int = HORIZON,
        camera: str = CAMERAS[0],
        decimals: int | None = DECIMALS,
    ) -> None:
        self._world = check_name(name)
        self.name = f"metaworld/{name}"
        self.summary = f"an arm and a table: {name} of Meta-World"
        self.instruction = INSTRUCTIONS.get(name, f"Do {name}.")
        if score not in SCORES:
            raise UnknownNameError("score", score, SCORES)
        if camera not in CAMERAS:
            raise UnknownNameError("camera", camera, CAMERAS)
        if type(horizon) is not int or not 1 <= horizon <= _LONGEST:
            raise UsageError(
                f"horizon of {self.name} is a whole number from 1 to {_LONGEST}, not {horizon!r}"
            )
        if decimals is not None and (
            type(decimals) is not int or not 0 <= decimals <= _MOST_DECIMALS
        ):
            raise UsageError(
                f"decimals of {self.name} is a whole number from 0 to {_MOST_DECIMALS} or null, "
                f"not {decimals!r}"
            )
        self.horizon, self._score, self._camera, self._decimals = horizon, score, camera, decimals

    @property
    def settings(self) -> Mapping[str, Any]:
        """What differs from the defaults."""
        given = {
            "score": (self._score, "success_any"),
            "horizon": (self.horizon, HORIZON),
            "camera": (self._camera, CAMERAS[0]),
            "decimals": (self._decimals, DECIMALS),
        }
        return {name: value for name, (value, usual) in given.items() if value != usual}

    @property
    def action_box(self) -> ActionBox:
        """Three ways for the hand to go, and the gripper, from -1 to 1."""
        return ActionBox(np.full(4, -1.0), np.full(4, 1.0))

    def word(self, vector: NDArray[np.float64]) -> str:
        """Returns the action that a vector of four numbers is."""
        return BoxActions.word(vector.clip(-1.0, 1.0))

    def make_env(self) -> MetaWorldEnv:
        """Returns a new world."""
        return MetaWorldEnv(self._world, self.horizon, self._score)

    def openings(self, split: Split) -> SeededOpenings:
        """Returns the seeds of a split; there is no end of them."""
        return SeededOpenings(self.name, self.version, split)

    def state_key(self, env: MetaWorldEnv) -> str:
        """Returns what is observed, the goal included, to four decimals."""
        return " ".join(f"{number:z.{KEY_DECIMALS}f}" for number in env.numbers.tolist())

    def observe(self, env: MetaWorldEnv, format: str) -> Observation:
        """Tells where hand, things and goal are, or draws them."""
        self.check_format(format)
        if format == "rgb":
            return Observation(image=as_picture(env.inner, self._camera))
        return self.word_state(env.numbers)

    def frame(self, env: MetaWorldEnv, camera: str) -> NDArray[np.uint8]:
        """Draws the present state as a camera sees it; see `Task`."""
        if camera not in self.views:
            raise UnknownNameError(f"camera for {self.name}:", camera, self.views)
        return as_picture(env.inner, camera)

    def proprio(self, env: MetaWorldEnv) -> NDArray[np.float64]:
        """Returns the 39 numbers that Meta-World observes."""
        return env.numbers

    def word_state(self, numbers: NDArray[np.float64]) -> Observation:
        """Returns hand, gripper, things and goal as one line; see `Task`.

        Raises:
            UsageError: They are not 39 numbers.
        """
        if numbers.shape != (39,):
            raise UsageError(f"a state of {self.name} is 39 numbers, not {numbers.shape}")
        second = numbers[_SECOND]
        things = [numbers[_FIRST], second] if second.any() else [numbers[_FIRST]]
        shown = ", ".join(f"object {self._list(thing)}" for thing in things)
        gripper = self._list(numbers[3:4])[1:-1]
        text = (
            f"hand {self._list(numbers[_HAND])}, gripper {gripper}, {shown}, "
            f"goal {self._list(numbers[_GOAL])}"
        )
        return Observation(text=text, state=numbers)

    def legal_actions(self, env: MetaWorldEnv) -> BoxActions:
        """Returns all lists of four numbers from -1 to 1."""
        return _SPACE

    def parse(self, text: str, env: MetaWorldEnv) -> ParsedAction:
        """Reads a JSON list of four numbers from -1 to 1."""
        return _SPACE.parse(text)

    def expert(self) -> Scripted:
        """Returns the library's script for this task."""
        return Scripted(self._world)

    def _list(self, numbers: NDArray[np.float64]) -> str:
        if self._decimals is None:
            return f"[{', '.join(map(repr, numbers.tolist()))}]"
        return f"[{', '.join(f'{x:z.{self._decimals}f}' for x in numbers.tolist())}]"
