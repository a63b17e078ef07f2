"""The grid world's pictures, compared with golden ones pixel by pixel.

After a change of the drawing, `ICIL_REDRAW=1 pytest tests/tasks` writes the golden pictures
anew; look at them before you keep them, and raise the task's version.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from icil.tasks.gridworld import Gridworld

GOLDEN = Path(__file__).parent / "golden"
TASK = Gridworld()


def picture(player, target):
    env = TASK.make_env()
    env.reset(options={"opening": {"player": list(player), "target": list(target)}})
    return TASK.observe(env, "rgb").image


@pytest.mark.parametrize(
    ("name", "player", "target"),
    [
        ("gridworld_corners", (1, 1), (10, 10)),
        ("gridworld_neighbours", (6, 5), (6, 6)),
        ("gridworld_apart", (8, 2), (3, 7)),
    ],
)
def test_looks_as_it_did(name, player, target):
    path, drawn = GOLDEN / f"{name}.png", picture(player, target)
    if os.environ.get("ICIL_REDRAW"):
        Image.fromarray(drawn).save(path, optimize=True)
    np.testing.assert_array_equal(drawn, np.asarray(Image.open(path)))


def test_shape_and_type():
    drawn = picture((1, 1), (10, 10))
    assert drawn.shape == (192, 192, 3)
    assert drawn.dtype == np.uint8
    assert drawn.flags["C_CONTIGUOUS"]


def test_pictures_belong_to_the_caller():
    spoilt = picture((1, 1), (10, 10))
    before = spoilt.copy()
    spoilt[:] = 0
    np.testing.assert_array_equal(picture((1, 1), (10, 10)), before)


def test_only_the_two_tiles_differ_from_the_empty_room():
    one, other = picture((2, 3), (8, 9)), picture((4, 5), (8, 9))
    rows, columns = np.nonzero((one != other).any(axis=2))
    assert {*zip((rows // 16).tolist(), (columns // 16).tolist(), strict=True)} == {(2, 3), (4, 5)}


def test_the_player_hides_the_target():
    env = TASK.make_env()
    env.reset(options={"opening": {"player": [4, 4], "target": [4, 5]}})
    env.step(3)
    tile = np.s_[4 * 16 : 5 * 16, 5 * 16 : 6 * 16]
    np.testing.assert_array_equal(
        TASK.observe(env, "rgb").image[tile], picture((4, 5), (1, 1))[tile]
    )
    assert "T" not in TASK.observe(env, "ascii").text
