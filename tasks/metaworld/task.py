"""A task of Meta-World as a task."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from icil.tasks.arms import DECIMALS, ArmEnv, ArmTask, Score
from icil.tasks.metaworld.env import MetaWorldEnv
from icil.tasks.metaworld.expert import Scripted
from icil.tasks.metaworld.instructions import INSTRUCTIONS
from icil.tasks.metaworld.library import check_name
from icil.tasks.metaworld.rendering import CAMERAS, as_picture
from icil.tasks.mujoco_pictures import Pixels
from icil.tasks.observation import Observation

HORIZON = 200
"""Steps of an episode unless set otherwise: the scripts need 60 to 150, the library allows 500."""

_HAND, _FIRST, _SECOND, _GOAL = slice(0, 3), slice(4, 11), slice(11, 18), slice(36, 39)
"""Where things stand among the 39 numbers; the gripper is the fourth."""


class MetaWorld(ArmTask):
    """Meta-World's arm does one thing; see `icil.tasks.arms` for what is paid.

    Args:
        name: Which thing, by the library's name: `reach-v3`.
        score: `success_any`, `success_last` or `reward`.
        horizon: Steps of an episode, 1 to 500.
        camera: The view of `rgb`.
        decimals: Of the numbers in `proprio`; None for all that a float64 has.

    Raises:
        UsageError: There is no such thing, a setting cannot be, or metaworld is not installed.
    """

    cameras: tuple[str, ...] = CAMERAS
    usual_horizon: ClassVar[int] = HORIZON

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
        self.summary = f"an arm and a table: {name} of Meta-World"
        self.instruction = INSTRUCTIONS.get(name, f"Do {name}.")
        super().__init__(
            f"metaworld/{name}", score=score, horizon=horizon, camera=camera, decimals=decimals
        )

    def make_env(self) -> MetaWorldEnv:
        """Returns a new world."""
        return MetaWorldEnv(self._world, self.horizon, self._score)

    def word_state(self, numbers: NDArray[np.float64]) -> Observation:
        """Returns hand, gripper, things and goal as one line; see `Task`.

        Raises:
            UsageError: They are not 39 numbers.
        """
        self._check_size(numbers, 39)
        second = numbers[_SECOND]
        things = [numbers[_FIRST], second] if second.any() else [numbers[_FIRST]]
        shown = ", ".join(f"object {self._list(thing)}" for thing in things)
        text = (
            f"hand {self._list(numbers[_HAND])}, gripper {self._number(float(numbers[3]))}, "
            f"{shown}, goal {self._list(numbers[_GOAL])}"
        )
        return Observation(text=text, state=numbers)

    def expert(self) -> Scripted:
        """Returns the library's script for this task."""
        return Scripted(self._world)

    def _draw(self, env: ArmEnv, camera: str) -> Pixels:
        return as_picture(env.inner, camera)
