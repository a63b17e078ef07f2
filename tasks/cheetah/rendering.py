"""The picture of the cheetah, as MuJoCo draws it and its camera `side` sees it."""

from typing import Any

from icil.tasks.cheetah.simulation import library, model
from icil.tasks.mujoco_pictures import Pixels, paint

HEIGHT, WIDTH = 240, 320
"""Pixels."""

_CAMERA = "side"


class _Cheetah:
    """Stands for all cheetahs: they share a model."""


_OWNER = _Cheetah()


def as_picture(data: Any) -> Pixels:
    """Returns a state as a new array of 240x320 RGB pixels.

    Raises:
        UsageError: There is no back end that can draw; the message says how to get one.
    """
    library()
    return paint(_OWNER, model(), data, _CAMERA, height=HEIGHT, width=WIDTH, what="the cheetah")
