"""The physics of the cheetah: dm_control's model, stepped by MuJoCo itself.

The model is compiled once a process from the files that dm_control ships; its Python layers,
which take most of a step's time, are left out. A step is `mj_step2` and then `mj_step1`, as
dm_control does it, so that what is read after it belongs to the new state. It comes out bit for
bit as a step of `mujoco.rollout` does, and the planner may simulate with that.
"""

import importlib
import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.errors import UsageError

POSITIONS = 8
"""Numbers of a position as it is shown: height, pitch and six joints. How far it ran is not."""
VELOCITIES = 9
"""Numbers of a velocity: forward, upward, pitch and six joints."""
ACTIONS = 6
"""Motors: back thigh, shin and foot, front thigh, shin and foot."""
FULL_SPEED = 10.0
"""Metres per second of the whole body's centre of mass at which a step pays 1."""

_SETTLING = 200
"""Steps in which dm_control lets a drawn pose fall to the ground."""

Vector = NDArray[np.float64]


@cache
def library() -> Any:
    """Returns the module `mujoco`.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("mujoco")
    except ModuleNotFoundError as error:
        if error.name == "mujoco":
            raise UsageError(_MISSING.format("mujoco")) from error
        return _without_graphics()
    except Exception:  # noqa: BLE001 - a rendering back end that is absent fails in many ways
        return _without_graphics()


@cache
def model() -> Any:
    """Returns the cheetah's `MjModel`, which all share and nobody changes.

    Raises:
        UsageError: dm_control or mujoco is not installed.
    """
    spec = importlib.util.find_spec("dm_control")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(_MISSING.format("dm_control"))
    suite = Path(next(iter(spec.submodule_search_locations))) / "suite"
    try:
        xml = (suite / "cheetah.xml").read_text(encoding="utf-8")
        included = {
            f"./common/{path.name}": path.read_bytes() for path in (suite / "common").glob("*.xml")
        }
    except OSError as error:
        raise UsageError(f"dm_control has no model of the cheetah: {error}") from error
    return library().MjModel.from_xml_string(xml, included)


def new_data() -> Any:
    """Returns an `MjData`: one cheetah in one state."""
    return library().MjData(model())


def put(data: Any, position: Vector, velocity: Vector) -> None:
    """Puts the cheetah into a state, at the start of the track."""
    mujoco = library()
    mujoco.mj_resetData(model(), data)
    data.qpos[1:] = position
    data.qvel[:] = velocity
    mujoco.mj_step1(model(), data)


def advance(data: Any, action: Vector) -> float:
    """Takes a step and returns its reward."""
    mujoco = library()
    data.ctrl[:] = action
    mujoco.mj_step2(model(), data)
    mujoco.mj_step1(model(), data)
    return min(max(float(data.sensordata[0]) / FULL_SPEED, 0.0), 1.0)


def settle(rng: np.random.Generator) -> tuple[Vector, Vector]:
    """Returns the position and velocity of a start as dm_control makes one.

    Each joint is drawn uniformly from its range, then the cheetah falls to the ground.
    """
    mujoco, cheetah, data = library(), model(), new_data()
    # dm_control takes the first of these steps with the forces of the pose before the draw.
    mujoco.mj_forward(cheetah, data)
    limited = cheetah.jnt_limited == 1
    lower, upper = cheetah.jnt_range[limited].T
    data.qpos[limited] = rng.uniform(lower, upper)
    mujoco.mj_step2(cheetah, data)
    mujoco.mj_step(cheetah, data, nstep=_SETTLING - 1)
    return data.qpos[1:].copy(), data.qvel.copy()


_MISSING = (
    "cheetah needs {}, which is not installed: pip install dm_control==1.0.28 mujoco==3.3.0 "
    "(with Python 3.11 or 3.12, for which there are builds)"
)


def _without_graphics() -> Any:
    """Imports `mujoco` where its graphics cannot be: it looks for them at once, physics needs none.

    Raises:
        UsageError: It cannot be imported at all.
    """
    chosen = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"
    try:
        return importlib.import_module("mujoco")
    except Exception as error:
        raise UsageError(f"mujoco cannot be imported: {error}") from error
    finally:
        if chosen is None:
            del os.environ["MUJOCO_GL"]
        else:
            os.environ["MUJOCO_GL"] = chosen
