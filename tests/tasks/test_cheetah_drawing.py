"""The cheetah's pictures, compared with golden ones.

Rasterisers differ in a few pixels at edges, so a picture may be a little off. After a change of
the drawing, `ICIL_REDRAW=1 pytest tests/tasks` writes the golden pictures anew; look at them
before you keep them, and raise the task's version.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from icil.tasks import UsageError, mujoco_pictures
from icil.tasks.cheetah import Cheetah

GOLDEN = Path(__file__).parent / "golden"
TASK = Cheetah()
POSES = {
    "cheetah_standing": ([-0.1, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0),
    "cheetah_leaping": ([0.25, 0.2, 0.7, 0.3, -0.4, -0.6, 0.5, -0.2], 0),
    "cheetah_running": ([-0.1, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 40),
}


def posed(name):
    position, steps = POSES[name]
    env = TASK.make_env()
    speed = [8.0 if steps else 0.0, *[0.0] * 8]
    env.reset(options={"opening": {"position": position, "velocity": speed}})
    for step in range(steps):
        env.step(np.full(6, 0.6 * (-1) ** (step // 8)))
    return env


@pytest.fixture(scope="module", autouse=True)
def _back_end():
    """Whoever cannot draw at all may test the rest."""
    try:
        TASK.observe(posed("cheetah_standing"), "rgb")
    except UsageError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", POSES)
def test_looks_as_it_did(name):
    path, drawn = GOLDEN / f"{name}.png", TASK.observe(posed(name), "rgb").image
    if os.environ.get("ICIL_REDRAW"):
        Image.fromarray(drawn).save(path, optimize=True)
    off = np.abs(drawn.astype(int) - np.asarray(Image.open(path)).astype(int))
    assert off.mean() < 1.0
    assert (off.max(axis=2) > 40).mean() < 0.005


def test_shape_and_type():
    drawn = TASK.observe(posed("cheetah_standing"), "rgb").image
    assert drawn.shape == (240, 320, 3)
    assert drawn.dtype == np.uint8
    assert drawn.flags["C_CONTIGUOUS"]


def test_looking_changes_nothing():
    env, blind = posed("cheetah_running"), posed("cheetah_running")
    first = TASK.observe(env, "rgb").image
    before = first.copy()
    np.testing.assert_array_equal(TASK.observe(env, "rgb").image, before)
    first[:] = 0
    np.testing.assert_array_equal(TASK.observe(env, "rgb").image, before)
    assert env.step(np.ones(6))[0].tolist() == blind.step(np.ones(6))[0].tolist()


def test_threads_get_the_pictures_that_they_ask_for():
    envs = [posed(name) for name in POSES] * 3
    alone = [TASK.observe(env, "rgb").image for env in envs]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda env: TASK.observe(env, "rgb").image, envs))
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        ({}, "egl"),
        ({"DISPLAY": ":0"}, "glfw"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "glfw"),
        ({"DISPLAY": ":0", "MUJOCO_GL": "egl"}, "egl"),
        ({"MUJOCO_GL": " OSMesa "}, "osmesa"),
    ],
)
def test_the_back_end_fits_or_is_chosen(monkeypatch, settings, chosen):
    monkeypatch.setattr("sys.platform", "linux")
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    assert mujoco_pictures.back_end("the cheetah") == chosen


@pytest.mark.parametrize("absent", ["nonsense", "egl"])
def test_an_absent_back_end_is_named_with_its_remedy(monkeypatch, absent):
    monkeypatch.setenv("MUJOCO_GL", absent)
    monkeypatch.setitem(__import__("sys").modules, "mujoco.egl", None)
    monkeypatch.setattr("icil.tasks.mujoco_pictures._ABSENCES", {})
    # Another process number asks for another thread, which has no renderer yet.
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(UsageError, match=rf"{absent}.*libegl1 libgl1-mesa-dri.*MUJOCO_GL"):
        TASK.observe(posed("cheetah_standing"), "rgb")
    assert TASK.observe(posed("cheetah_standing"), "proprio").text
