"""The library of Fetch's worlds, gymnasium-robotics, imported when it is needed."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from icil.tasks.errors import UnknownNameError, UsageError

INSTRUCTIONS: Mapping[str, str] = {
    "pick-and-place": "Pick up the block and hold it at the red ball.",
    "push": "Push the block to the red ball.",
    "reach": "Move the gripper to the red ball.",
    "slide": "Hit the puck so that it slides to the red ball.",
}
"""What to do in each task, in words, for policies that follow instructions."""


@cache
def library() -> Mapping[str, Any]:
    """Returns the classes of the worlds, by the names of tasks (`reach`).

    Raises:
        UsageError: It is not installed.
    """
    try:
        # It greets whoever imports it with news of its other worlds.
        import_module("farama_notifications").notifications.pop("gymnasium_robotics", None)
        from gymnasium_robotics.envs.fetch.pick_and_place import MujocoFetchPickAndPlaceEnv
        from gymnasium_robotics.envs.fetch.push import MujocoFetchPushEnv
        from gymnasium_robotics.envs.fetch.reach import MujocoFetchReachEnv
        from gymnasium_robotics.envs.fetch.slide import MujocoFetchSlideEnv
    except ImportError as error:
        raise UsageError(
            f"gymnasium-robotics is not installed ({error}): pip install 'icil[robots]'"
        ) from error
    return {
        "pick-and-place": MujocoFetchPickAndPlaceEnv,
        "push": MujocoFetchPushEnv,
        "reach": MujocoFetchReachEnv,
        "slide": MujocoFetchSlideEnv,
    }


def check_name(name: str) -> str:
    """Returns the name of a task.

    Raises:
        UnknownNameError: There is none of this name; the message names the nearest.
        UsageError: The library is not installed.
    """
    if name not in INSTRUCTIONS:
        raise UnknownNameError("task of Fetch", name, INSTRUCTIONS)
    library()
    return name
