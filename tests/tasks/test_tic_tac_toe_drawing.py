"""Tic-tac-toe's pictures, compared with golden ones pixel by pixel.

After a change of the drawing, `ICIL_REDRAW=1 pytest tests/tasks` writes the golden pictures
anew; look at them before you keep them, and raise the task's version.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from icil.tasks.tic_tac_toe import TicTacToe

GOLDEN = Path(__file__).parent / "golden"
TASK = TicTacToe()


def picture(board):
    env = TASK.make_env()
    env.reset(options={"opening": {"board": board}})
    return TASK.observe(env, "rgb").image


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("tic_tac_toe_empty", "........."),
        ("tic_tac_toe_early", "..x.o..x."),
        ("tic_tac_toe_late", "xoxxoo.x."),
    ],
)
def test_looks_as_it_did(name, board):
    path, drawn = GOLDEN / f"{name}.png", picture(board)
    if os.environ.get("ICIL_REDRAW"):
        Image.fromarray(drawn).save(path, optimize=True)
    np.testing.assert_array_equal(drawn, np.asarray(Image.open(path)))


def test_shape_and_type():
    drawn = picture("x...o....")
    assert drawn.shape == (256, 256, 3)
    assert drawn.dtype == np.uint8
    assert drawn.flags["C_CONTIGUOUS"]


def test_pictures_belong_to_the_caller():
    spoilt = picture("x...o....")
    before = spoilt.copy()
    spoilt[:] = 0
    np.testing.assert_array_equal(picture("x...o...."), before)


def test_each_mark_stays_in_its_cell():
    empty = picture("." * 9)
    for cell in range(9):
        drawn = picture("." * cell + "x" + "." * (8 - cell))
        rows, columns = np.nonzero((drawn != empty).any(axis=2))
        assert {*(rows * 3 // 256).tolist()} == {cell // 3}
        assert {*(columns * 3 // 256).tolist()} == {cell % 3}
