"""Chess's pictures, compared with golden ones pixel by pixel.

After a change of the drawing, `ICIL_REDRAW=1 pytest tests/tasks` writes the golden pictures
anew; look at them before you keep them, and raise the task's version.
"""

import os
from pathlib import Path

import chess
import numpy as np
import pytest
from PIL import Image

from icil.tasks.chess import Chess
from icil.tasks.chess.drawing import as_picture

GOLDEN = Path(__file__).parent / "golden"


def picture(fen):
    return as_picture(chess.Board(fen))


EMPTY = "7k/8/8/8/8/8/8/K7 w - - 0 1"
"""As empty as a board may be."""


@pytest.mark.parametrize(
    ("name", "fen"),
    [
        ("chess_start", "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"),
        ("chess_middle", "r1bq1rk1/pp2bppp/2n1pn2/3p4/2PP4/P1N1PN2/1P3PPP/R1BQKB1R w KQ - 0 1"),
        ("chess_end", "8/1qk5/8/Q2N1n2/R2B1b2/3P1p1r/K7/8 w - - 0 1"),
    ],
)
def test_looks_as_it_did(name, fen):
    path, drawn = GOLDEN / f"{name}.png", picture(fen)
    if os.environ.get("ICIL_REDRAW"):
        Image.fromarray(drawn).save(path, optimize=True)
    np.testing.assert_array_equal(drawn, np.asarray(Image.open(path)))


def test_shape_and_type():
    drawn = picture(EMPTY)
    assert drawn.shape == (256, 256, 3)
    assert drawn.dtype == np.uint8
    assert drawn.flags["C_CONTIGUOUS"]


def test_is_what_the_task_shows():
    task = Chess()
    env = task.make_env()
    env.reset(options={"opening": {"moves": "e4 e5"}})
    np.testing.assert_array_equal(task.observe(env, "rgb").image, as_picture(env.board))


def test_pictures_belong_to_the_caller():
    spoilt = picture(EMPTY)
    before = spoilt.copy()
    spoilt[:] = 0
    np.testing.assert_array_equal(picture(EMPTY), before)


def test_each_piece_stays_in_its_square_and_clear_of_the_names():
    empty = picture(EMPTY)
    for symbol in "PNBRQpnbrq":
        for row, board in enumerate((f"7k/{symbol}3{symbol}2{symbol}", f"7k/8/1{symbol}6")):
            drawn = picture(f"{board}/8/8/8/8/8/K7" if row == 0 else f"{board}/8/8/8/8/K7")
            changed = (drawn != empty).any(axis=2)
            rows, columns = np.nonzero(changed)
            assert {*(rows // 32).tolist()} == {row + 1}
            assert {*(columns // 32).tolist()} == ({0, 4, 7} if row == 0 else {1})
            inside = changed[32 * (row + 1) : 32 * (row + 2)].reshape(32, 8, 32).any(axis=1)
            assert not inside[1:6, 1:4].any()
            assert not inside[26:31, 28:31].any()


def test_all_pieces_look_different_on_both_colours():
    seen = set()
    for symbol in "PNBRQpnbrq":
        for rows in (f"3{symbol}4/8", f"8/3{symbol}4"):
            drawn = picture(f"7k/8/8/{rows}/8/8/K7 w - - 0 1")
            seen.add(drawn[96:160, 96:128].tobytes())
    assert len(seen) == 20
