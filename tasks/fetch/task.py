"""A task of Fetch as a task."""

from typing import ClassVar

from icil.tasks.arms import DECIMALS, ArmEnv, ArmTask, Score, Vector
from icil.tasks.errors import UsageError
from icil.tasks.fetch.env import FetchEnv, read_scene, size
from icil.tasks.fetch.expert import SCRIPTS, Scripted
from icil.tasks.fetch.library import INSTRUCTIONS, check_name
from icil.tasks.fetch.rendering import CAMERAS, as_picture
from icil.tasks.mujoco_pictures import Pixels
from icil.tasks.observation import Observation

HORIZON = 50
"""Steps of an episode unless set otherwise, at 25 a second: the library's own limit."""


class Fetch(ArmTask):
    """Fetch's arm does one thing; see `icil.tasks.arms` for what is paid.

    Args:
        task: Which thing: `pick-and-place`, `push`, `reach` or `slide`.
        score: `success_any`, `success_last` or `reward`.
        horizon: Steps of an episode, 1 to 500.
        camera: The view of `rgb`.
        decimals: Of the numbers in `proprio`; None for all that a float64 has.

    Raises:
        UsageError: There is no such thing, a setting cannot be, or gymnasium-robotics is not
            installed.
    """

    cameras: tuple[str, ...] = CAMERAS
    usual_horizon: ClassVar[int] = HORIZON

    def __init__(
        self,
        task: str,
        *,
        score: Score = "success_any",
        horizon: int = HORIZON,
        camera: str = CAMERAS[0],
        decimals: int | None = DECIMALS,
    ) -> None:
        self._world = check_name(task)
        self.summary = f"an arm and a table: {task} of Fetch"
        self.instruction = INSTRUCTIONS[task]
        self.has_expert = task in SCRIPTS
        super().__init__(
            f"fetch/{task}", score=score, horizon=horizon, camera=camera, decimals=decimals
        )

    def make_env(self) -> FetchEnv:
        """Returns a new world."""
        return FetchEnv(self._world, self.horizon, self._score)

    def word_state(self, numbers: Vector) -> Observation:
        """Returns hand, gripper, thing and goal as one line; see `Task`.

        Raises:
            UsageError: They are not as many numbers as are observed.
        """
        self._check_size(numbers, size(self._world))
        scene = read_scene(numbers)
        thing = f"object {self._list(scene.thing)}, " if scene.thing.size else ""
        text = (
            f"hand {self._list(scene.hand)}, gripper {self._number(scene.gripper)}, "
            f"{thing}goal {self._list(scene.goal)}"
        )
        return Observation(text=text, state=numbers)

    def expert(self) -> Scripted:
        """Returns a script for this task.

        Raises:
            UsageError: It is `slide`, for which there is none.
        """
        if not self.has_expert:
            raise UsageError(
                f"{self.name} has no expert; its demonstrations come from a pool of yours "
                "(`--pool DIR`)"
            )
        return Scripted(self._world)

    def _draw(self, env: ArmEnv, camera: str) -> Pixels:
        return as_picture(env.inner, camera)
