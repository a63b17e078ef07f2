"""The picture of the cheetah, as MuJoCo draws it and its camera `side` sees it.

OpenGL binds a context to a thread, while the harness looks from any of several: one thread of
its own makes and uses the process's renderer, and all the others ask it. It starts with the
first picture, so that whoever wants none needs no back end.
"""

import importlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.cheetah.simulation import library, model
from icil.tasks.errors import UsageError

HEIGHT, WIDTH = 240, 320
"""Pixels."""

_CAMERA = "side"
_BACK_ENDS = ("egl", "glfw", "osmesa")
_ABSENT = (
    "MuJoCo cannot draw the cheetah with {}: {}; on Debian, apt-get install libegl1 "
    "libgl1-mesa-dri, and set MUJOCO_GL=egl (no display; the default where there is none), "
    "MUJOCO_GL=osmesa (no display; needs libosmesa6) or MUJOCO_GL=glfw (a display)"
)

Pixels = NDArray[np.uint8]


def as_picture(data: Any) -> Pixels:
    """Returns a state as a new array of 240x320 RGB pixels.

    Raises:
        UsageError: There is no back end that can draw; the message says how to get one.
    """
    return _artist(os.getpid()).submit(_draw, data).result()


def back_end() -> str:
    """Returns which of MuJoCo's back ends is to draw: what MUJOCO_GL says, else what fits.

    Raises:
        UsageError: MUJOCO_GL names none.
    """
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    if not chosen:
        headless = sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        )
        return "egl" if headless else "glfw"
    if chosen not in _BACK_ENDS:
        reason = f"MUJOCO_GL is one of {', '.join(_BACK_ENDS)}"
        raise UsageError(_ABSENT.format(repr(chosen), reason))
    return chosen


class _Renderer:
    """A scene and where it is drawn; belongs to the thread that made it."""

    def __init__(self) -> None:
        mujoco, self._name = library(), back_end()
        try:
            self._context = importlib.import_module(f"mujoco.{self._name}").GLContext(WIDTH, HEIGHT)
            self._context.make_current()
            self._drawing = mujoco.MjrContext(model(), mujoco.mjtFontScale.mjFONTSCALE_100)
        except Exception as error:  # a back end that is absent fails in many ways
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(_ABSENT.format(self._name, reason)) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawing)
        self._scene = mujoco.MjvScene(model(), maxgeom=100)
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = model().camera(_CAMERA).id
        self._area = mujoco.MjrRect(0, 0, WIDTH, HEIGHT)

    def draw(self, data: Any) -> Pixels:
        """Returns a picture of a state."""
        mujoco = library()
        pixels = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(
            model(), data, self._option, None, self._camera, everything, self._scene
        )
        mujoco.mjr_render(self._area, self._scene, self._drawing)
        mujoco.mjr_readPixels(pixels, None, self._area, self._drawing)
        return np.ascontiguousarray(pixels[::-1])


_OWN = threading.local()
"""Where the artist keeps the renderer."""


def _draw(data: Any) -> Pixels:
    if not hasattr(_OWN, "renderer"):
        _OWN.renderer = _Renderer()
    renderer: _Renderer = _OWN.renderer
    return renderer.draw(data)


@cache
def _artist(process: int) -> ThreadPoolExecutor:
    """Returns the thread that draws in a process; a forked one has lost its parent's."""
    del process
    return ThreadPoolExecutor(1, thread_name_prefix="cheetah-artist")
