"""The dynamics of a task of Fetch; its own reward is -1 a step, 0 where the goal is met.

What is observed is the library's `observation` with the goal at its end: 13 numbers for `reach`, 28
where there is a thing to move.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from icil.tasks.arms import ArmEnv, Moved, Score, Vector
from icil.tasks.fetch.library import library

ALONE, WITH_THING = 13, 28
"""How many numbers are observed where the hand is alone, and with a thing to move."""


class Scene(NamedTuple):
    """Where everything is; metres."""

    hand: Vector
    """Of the gripper: x, y and z."""
    gripper: float
    """How far it is open."""
    goal: Vector
    """x, y and z."""
    thing: Vector
    """Of what is to be moved: x, y, z, and its turn about these axes in radians; none in `reach`,
    shape (0,)."""


class FetchEnv(ArmEnv):
    """Fetch's arm; an action moves the hand by about three centimetres at most.

    Args:
        name: The task, such as `reach`.
        horizon: Steps of an episode.
        score: What is paid.
    """

    library: ClassVar[str] = "Fetch"

    def __init__(self, name: str, horizon: int, score: Score = "success_any") -> None:
        super().__init__(library()[name](), size(name), horizon, score)

    def _start(self, seed: int) -> Vector:
        seen, _ = self.inner.reset(seed=seed)
        _put_ball(self.inner.model, self.inner.data, self.inner.goal)
        return _numbers(seen)

    def _move(self, action: Vector) -> Moved:
        seen, reward, _, _, info = self.inner.step(action)
        return Moved(_numbers(seen), float(reward), bool(info["is_success"]))


def size(name: str) -> int:
    """Returns how many numbers a task observes."""
    return ALONE if name == "reach" else WITH_THING


def read_scene(numbers: Vector) -> Scene:
    """Returns where everything is, of the numbers that are observed."""
    if len(numbers) == ALONE:
        thing, fingers = numbers[:0], numbers[3:5]
    else:
        thing, fingers = np.concatenate([numbers[3:6], numbers[11:14]]), numbers[9:11]
    return Scene(numbers[:3], float(fingers.sum()), numbers[-3:], thing)


def _numbers(seen: Mapping[str, Vector]) -> Vector:
    return np.concatenate([seen["observation"], seen["desired_goal"]])


def _put_ball(model: Any, data: Any, goal: Vector) -> None:
    """Shows the goal; the library does so with each picture, and so changes what comes next."""
    ball = model.site("target0").id
    model.site_pos[ball] = goal - data.xpos[model.site_bodyid[ball]]
    data.site_xpos[ball] = goal
