"""Views of Fetch: near the table, over its far edge, and as the library draws it, from afar."""

from collections.abc import Mapping
from typing import Any

from icil.tasks.arms import SIDE
from icil.tasks.mujoco_pictures import Pixels, View, paint

_VIEWS: Mapping[str, str | View] = {
    "side": View(target=(1.3, 0.75, 0.5), distance=1.4, azimuth=132.0, elevation=-30.0),
    "external_camera_0": "external_camera_0",
    "library": View(target=(1.3, 0.75, 0.55), distance=2.5, azimuth=132.0, elevation=-14.0),
}
CAMERAS = tuple(_VIEWS)
"""The views, the main one first."""


def as_picture(env: Any, camera: str) -> Pixels:
    """Returns the present state of Fetch's environment as 224x224 RGB pixels.

    Raises:
        UsageError: There is no back end that can draw.
    """
    view = _VIEWS[camera]
    return paint(env, env.model, env.data, view, height=SIDE, width=SIDE, what="Fetch")
