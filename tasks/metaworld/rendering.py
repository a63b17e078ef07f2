"""Views of Meta-World: from the corner, from the gripper, and the library's others."""

from typing import Any

import numpy as np

from icil.tasks.arms import SIDE
from icil.tasks.mujoco_pictures import Pixels, paint

CAMERAS = ("corner2", "gripperPOV", "corner", "corner3", "corner4", "topview", "behindGripper")
"""The library's cameras, the main one first."""


def as_picture(env: Any, camera: str) -> Pixels:
    """Returns the present state of Meta-World's environment as 224x224 RGB pixels.

    Raises:
        UsageError: There is no back end that can draw.
    """
    pixels = paint(env, env.model, env.data, camera, height=SIDE, width=SIDE, what="Meta-World")
    # The library's cameras in the corners stand on their heads.
    return np.ascontiguousarray(pixels[::-1, ::-1]) if camera.startswith("corner") else pixels
