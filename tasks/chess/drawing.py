"""The looks of chess as a picture: a board of 32-pixel squares, White below.

The board, the pieces, and each piece on each square are drawn once, when first asked for; a
picture is then the empty board with squares put in. Files and ranks are named in the squares of
the lowest rank and the leftmost file.
"""

from functools import cache

import chess
import numpy as np
from numpy.typing import NDArray

from icil.tasks.chess.pieces import SIDE, draw

SIZE = 8 * SIDE
"""Pixels along each side of the picture."""

_LIGHT, _DARK = (238, 224, 198), (176, 140, 104)
_GLYPHS = {
    "a": "... .## #.# #.# .##",
    "b": "#.. #.. ##. #.# ##.",
    "c": "... .## #.. #.. .##",
    "d": "..# ..# .## #.# .##",
    "e": ".#. #.# ### #.. .##",
    "f": ".## .#. ### .#. .#.",
    "g": ".## #.# .## ..# ##.",
    "h": "#.. #.. ##. #.# #.#",
    "1": ".#. ##. .#. .#. ###",
    "2": "##. ..# .#. #.. ###",
    "3": "##. ..# .#. ..# ##.",
    "4": "#.# #.# ### ..# ..#",
    "5": "### #.. ##. ..# ##.",
    "6": ".## #.. ### #.# ###",
    "7": "### ..# .#. .#. .#.",
    "8": "### #.# ### #.# ###",
}
"""Five rows of three pixels each."""
_INSET = 1

Pixels = NDArray[np.uint8]


def as_picture(board: chess.Board) -> Pixels:
    """Returns the board as a new array of 256x256 RGB pixels."""
    picture = _board().copy()
    for square, piece in board.piece_map().items():
        _place(picture, square)[:] = _tile(piece.piece_type, piece.color, square)
    return picture


@cache
def _board() -> Pixels:
    picture = np.empty((SIZE, SIZE, 3), np.uint8)
    for square in chess.SQUARES:
        _place(picture, square)[:] = _colour(_is_light(square))
    for number, name in enumerate(chess.FILE_NAMES):
        place = _place(picture, chess.square(number, 0))[
            -_INSET - 5 : -_INSET, -_INSET - 3 : -_INSET
        ]
        place[_pixels(name)] = _colour(not _is_light(chess.square(number, 0)))
    for number, name in enumerate(chess.RANK_NAMES):
        place = _place(picture, chess.square(0, number))[_INSET : _INSET + 5, _INSET : _INSET + 3]
        place[_pixels(name)] = _colour(not _is_light(chess.square(0, number)))
    return picture


@cache
def _tile(kind: chess.PieceType, colour: chess.Color, square: chess.Square) -> Pixels:
    """Returns a square with a piece on it."""
    sprite = _sprite(kind, colour)
    alpha = sprite[..., 3:] / 255
    mixed = sprite[..., :3] * alpha + _place(_board(), square) * (1 - alpha)
    return mixed.round().astype(np.uint8)


@cache
def _sprite(kind: chess.PieceType, colour: chess.Color) -> Pixels:
    return draw(chess.Piece(kind, colour))


def _place(picture: Pixels, square: chess.Square) -> Pixels:
    """Returns the part of a picture that shows a square."""
    top, left = SIDE * (7 - chess.square_rank(square)), SIDE * chess.square_file(square)
    return picture[top : top + SIDE, left : left + SIDE]


def _is_light(square: chess.Square) -> bool:
    return bool(chess.BB_SQUARES[square] & chess.BB_LIGHT_SQUARES)


def _colour(light: bool) -> tuple[int, int, int]:
    return _LIGHT if light else _DARK


def _pixels(name: str) -> NDArray[np.bool_]:
    return np.array([[mark == "#" for mark in row] for row in _GLYPHS[name].split()])
