"""The looks of tic-tac-toe: as characters and as a picture.

The empty board and the two marks are drawn once, when the first picture is asked for; a
picture is then the empty board with the marks put in.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from icil.tasks.tic_tac_toe.board import EMPTY

SIZE = 256
"""Pixels along each side of the picture."""

_MARGIN, _CELL, _LINE = 8, 76, 6
"""Pixels around the board, along each side of a cell, and across a line between cells."""
_STEP = _CELL + _LINE
_FINE = 4
"""How many times larger than life things are drawn, so that their edges come out smooth."""
_PAPER, _INK, _X, _O = "#fbf7ee", "#3b4452", "#2667c9", "#d9482b"

Pixels = NDArray[np.uint8]


def as_characters(board: str) -> str:
    """Returns three lines of three cells with spaces between: x, o, or . for an empty cell."""
    return "\n".join(" ".join(board[row : row + 3]) for row in (0, 3, 6))


def as_picture(board: str) -> Pixels:
    """Returns the board as a new array of 256x256 RGB pixels."""
    sprites = _sprites()
    picture = sprites.board.copy()
    for cell, mark in enumerate(board):
        if mark != EMPTY:
            top, left = (_MARGIN + _STEP * place for place in divmod(cell, 3))
            picture[top : top + _CELL, left : left + _CELL] = (
                sprites.x if mark == "x" else sprites.o
            )
    return picture


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sprites:
    board: Pixels
    x: Pixels
    o: Pixels


@cache
def _sprites() -> _Sprites:
    return _Sprites(board=_draw_board(), x=_draw_x(), o=_draw_o())


def _canvas(size: int) -> Image.Image:
    return Image.new("RGB", (size * _FINE, size * _FINE), _PAPER)


def _shrink(drawn: Image.Image) -> Pixels:
    return np.asarray(drawn.reduce(_FINE))


def _bar(draw: ImageDraw.ImageDraw, ends: tuple[int, int, int, int], width: int, ink: str) -> None:
    """Draws a straight stroke with round ends; all in pixels of the finished picture."""
    x0, y0, x1, y1 = (end * _FINE for end in ends)
    radius = width * _FINE // 2
    draw.line((x0, y0, x1, y1), fill=ink, width=2 * radius)
    for x, y in ((x0, y0), (x1, y1)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)


def _draw_board() -> Pixels:
    image = _canvas(SIZE)
    draw = ImageDraw.Draw(image)
    near, far = _MARGIN + _LINE // 2, SIZE - _MARGIN - _LINE // 2
    for middle in (_MARGIN + _STEP - _LINE // 2, SIZE - _MARGIN - _STEP + _LINE // 2):
        _bar(draw, (middle, near, middle, far), _LINE, _INK)
        _bar(draw, (near, middle, far, middle), _LINE, _INK)
    return _shrink(image)


def _draw_x() -> Pixels:
    image = _canvas(_CELL)
    draw = ImageDraw.Draw(image)
    near, far = 18, _CELL - 18
    _bar(draw, (near, near, far, far), 12, _X)
    _bar(draw, (near, far, far, near), 12, _X)
    return _shrink(image)


def _draw_o() -> Pixels:
    image = _canvas(_CELL)
    near, far = 12 * _FINE, (_CELL - 12) * _FINE - 1
    ImageDraw.Draw(image).ellipse((near, near, far, far), outline=_O, width=12 * _FINE)
    return _shrink(image)
