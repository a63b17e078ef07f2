"""Pictures of MuJoCo's worlds, drawn off screen.

OpenGL binds a context to a thread, while the harness looks from any of several: one thread of its
own makes and uses all the painters of a process, and the others ask it. It starts with the first
picture, so that whoever wants none needs no back end.
"""

import importlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from icil.tasks.errors import UsageError

_BACK_ENDS = ("egl", "glfw", "osmesa")
_ABSENT = (
    "MuJoCo cannot draw {} with {}: {}; on Debian, apt-get install libegl1 libgl1-mesa-dri, and "
    "set MUJOCO_GL=egl (no display; the default where there is none), MUJOCO_GL=osmesa (no "
    "display; needs libosmesa6) or MUJOCO_GL=glfw (a display)"
)
_ABSENCES: dict[str, str] = {}
"""Why back ends cannot draw in this process: asked again, GLFW would abort it."""
_MOST_SHAPES = 1000
"""Of a scene."""

Pixels = NDArray[np.uint8]


class View(NamedTuple):
    """A camera that is none of a model's."""

    target: tuple[float, float, float]
    """Where it looks: x, y and z, metres."""
    distance: float
    """Metres from there."""
    azimuth: float
    """Degrees."""
    elevation: float
    """Degrees; -90 looks down."""


def paint(
    owner: Any, model: Any, data: Any, camera: str | View, *, height: int, width: int, what: str
) -> Pixels:
    """Returns a state as a new array of RGB pixels, shape (height, width, 3).

    Args:
        owner: Whose world it is; the painter of a model lasts as long as this object.
        model: MuJoCo's `MjModel`, always the same one of an owner.
        data: Its `MjData`.
        camera: The name of one of the model's cameras, or another view.
        height: Pixels.
        width: Pixels.
        what: What is drawn, for messages: `the cheetah`.

    Raises:
        UsageError: There is no back end that can draw; the message says how to get one.
    """
    return (
        _artist(os.getpid())
        .submit(_paint, owner, model, data, camera, (height, width), what)
        .result()
    )


def back_end(what: str) -> str:
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
        raise UsageError(_ABSENT.format(what, repr(chosen), reason))
    return chosen


class _Painter:
    """A scene and where it is drawn; belongs to the thread that made it."""

    def __init__(self, model: Any, size: tuple[int, int], what: str) -> None:
        import mujoco

        self._model, self._name, (height, width) = model, back_end(what), size
        if reason := _ABSENCES.get(self._name):
            raise UsageError(_ABSENT.format(what, self._name, reason))
        try:
            context = importlib.import_module(f"mujoco.{self._name}").GLContext
            self._context = context(width, height)
            self._context.make_current()
            # The buffer is as large as the model says, whatever the window is.
            model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
            model.vis.global_.offheight = max(model.vis.global_.offheight, height)
            self._drawing = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        except Exception as error:  # a back end that is absent fails in many ways
            reason = " ".join(str(error).split()) or type(error).__name__
            _ABSENCES[self._name] = reason
            raise UsageError(_ABSENT.format(what, self._name, reason)) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._drawing)
        self._scene = mujoco.MjvScene(model, maxgeom=_MOST_SHAPES)
        self._option = mujoco.MjvOption()
        self._area = mujoco.MjrRect(0, 0, width, height)

    def paint(self, data: Any, camera: str | View) -> Pixels:
        """Returns a picture of a state."""
        import mujoco

        self._context.make_current()
        view = mujoco.MjvCamera()
        if isinstance(camera, str):
            view.type = mujoco.mjtCamera.mjCAMERA_FIXED
            view.fixedcamid = self._model.camera(camera).id
        else:
            view.type = mujoco.mjtCamera.mjCAMERA_FREE
            view.lookat[:] = camera.target
            view.distance, view.azimuth, view.elevation = camera[1:]
        pixels = np.empty((self._area.height, self._area.width, 3), dtype=np.uint8)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, self._option, None, view, everything, self._scene)
        mujoco.mjr_render(self._area, self._scene, self._drawing)
        mujoco.mjr_readPixels(pixels, None, self._area, self._drawing)
        return np.ascontiguousarray(pixels[::-1])


_OWN = threading.local()
"""Where the artist keeps the painters."""


def _paint(
    owner: Any, model: Any, data: Any, camera: str | View, size: tuple[int, int], what: str
) -> Pixels:
    if not hasattr(_OWN, "painters"):
        _OWN.painters = WeakKeyDictionary()
    sizes = _OWN.painters.setdefault(owner, {})
    if size not in sizes:
        sizes[size] = _Painter(model, size, what)
    painter: _Painter = sizes[size]
    return painter.paint(data, camera)


@cache
def _artist(process: int) -> ThreadPoolExecutor:
    """Returns the thread that draws in a process; a forked one has lost its parent's."""
    del process
    return ThreadPoolExecutor(1, thread_name_prefix="mujoco-artist")
