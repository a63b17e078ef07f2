"""Scripted experts of Fetch: what to do in a state is a function of where everything is in it."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from icil.tasks.arms import SAID_DECIMALS, ArmEnv, Vector, word_said
from icil.tasks.expert import Expert
from icil.tasks.fetch.env import Scene, read_scene

_STEP = 0.03
"""Metres that the hand moves in a step where it is told 1."""
_ABOVE = 0.07
"""Metres above a thing at which the hand passes over it."""


class Scripted(Expert[ArmEnv]):
    """A proportional controller for a task; it keeps no plan.

    Args:
        name: The task, one of `SCRIPTS`.
    """

    name: str = "scripted"
    slow: bool = False

    def __init__(self, name: str) -> None:
        self._script = SCRIPTS[name]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The library's version, and the decimals of its actions."""
        return {"gymnasium-robotics": version("gymnasium-robotics"), "decimals": SAID_DECIMALS}

    def act(self, env: ArmEnv, rng: np.random.Generator) -> str:
        """Returns what the script does in the present state."""
        return word_said(self._script(read_scene(env.numbers)))


def _reach(scene: Scene) -> Vector:
    return _go(scene.goal - scene.hand)


def _push(scene: Scene) -> Vector:
    """Goes over the block to its far side, down, and pushes it along the line to the goal."""
    hand, block = scene.hand, scene.thing[:3]
    way = (scene.goal - block)[:2]
    far = float(np.linalg.norm(way))
    if far < 0.01:
        return np.zeros(4)
    line = way / far
    place = (hand - block)[:2]
    ahead = float(place @ line)
    aside = place - ahead * line
    off, low = np.linalg.norm(aside), hand[2] < block[2] + 0.02
    if low and ahead < -0.02 and off < 0.02:
        # A hand that pushes slows down before the goal, and keeps to the middle of the block.
        return _go([*(line * (far - ahead - 0.04) - 2 * aside), block[2] - hand[2]], gain=10)
    start = -0.08 * line - place
    if np.linalg.norm(start) < 0.012 or (low and ahead < -0.05 and off < 0.035):
        return _go([*start, block[2] - 0.005 - hand[2]])
    if hand[2] < block[2] + 0.05 and np.linalg.norm(place) < 0.12:
        return _go([0.0, 0.0, _ABOVE])
    return _go([*start, block[2] + _ABOVE - hand[2]])


def _pick_and_place(scene: Scene) -> Vector:
    """Goes over the block and down with an open gripper, closes it, and goes to the goal."""
    block = scene.thing[:3]
    way = block - scene.hand
    if np.linalg.norm(way[:2]) > 0.015:
        return _go([*way[:2], way[2] + _ABOVE], gripper=1.0)
    if abs(way[2]) > 0.012:
        return _go(way, gripper=1.0)
    if scene.gripper > 0.0505:  # the block is five centimetres wide
        return _go(way, gripper=-1.0)
    return _go(scene.goal - block, gripper=-1.0, gain=20)


def _go(way: Any, gripper: float = 0.0, gain: float = 1 / _STEP) -> Vector:
    """Returns the action that takes the hand along a way, in metres."""
    return np.append(np.asarray(way, np.float64) * gain, gripper)


SCRIPTS: Mapping[str, Callable[[Scene], Vector]] = {
    "pick-and-place": _pick_and_place,
    "push": _push,
    "reach": _reach,
}
"""By the names of tasks; for `slide` there is none."""
