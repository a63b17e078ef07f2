"""The shapes of the chess pieces, drawn as masks on a 32x32 grid and shaded to sprites.

A piece is a silhouette of polygons and discs; the lines of its details lie on top. All is drawn
many times larger than life and shrunk, so that edges come out smooth.
"""

from collections.abc import Callable, Sequence

import chess
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

SIDE = 32
"""Pixels along each side of a sprite."""

_FINE = 8
_OUTLINE = 0.9
"""Pixels of the finished sprite between a piece's fill and its edge."""
_CORE = 226
"""How bright a blurred mask is about an outline's width inside its edge."""

Point = tuple[float, float]
Sprite = NDArray[np.uint8]
"""Shape (32, 32, 4): RGB and how opaque."""


def draw(piece: chess.Piece) -> Sprite:
    """Returns the sprite of a piece."""
    fill, edge, line = (
        ("#fcf8ee", "#22262b", "#22262b") if piece.color else ("#43474f", "#15171a", "#d9d4c8")
    )
    shape, details = _Pen(), _Pen()
    _SHAPES[piece.piece_type](shape, details)
    inner = shape.mask.filter(ImageFilter.GaussianBlur(_OUTLINE * _FINE))
    inner = inner.point([255 if value > _CORE else 0 for value in range(256)])
    image = Image.new("RGB", shape.mask.size, edge)
    image.paste(fill, mask=inner)
    image.paste(line, mask=ImageChops.darker(details.mask, shape.mask))
    image.putalpha(shape.mask)
    return _shrink(image)


def _shrink(image: Image.Image) -> Sprite:
    """Returns a picture made small; what is transparent does not bleed into the colours."""
    fine = np.asarray(image, np.float64).reshape(SIDE, _FINE, SIDE, _FINE, 4)
    alpha = fine[..., 3:].sum(axis=(1, 3))
    colour = (fine[..., :3] * fine[..., 3:]).sum(axis=(1, 3)) / np.maximum(alpha, 1)
    return np.concatenate([colour, alpha / _FINE**2], axis=2).round().astype(np.uint8)


class _Pen:
    """Draws white on black; all measures are pixels of the finished sprite."""

    def __init__(self) -> None:
        self.mask = Image.new("L", (SIDE * _FINE, SIDE * _FINE), 0)
        self._draw = ImageDraw.Draw(self.mask)

    def disc(self, x: float, y: float, across: float, down: float | None = None) -> None:
        down = across if down is None else down
        box = (x - across, y - down, x + across, y + down)
        self._draw.ellipse([value * _FINE for value in box], fill=255)

    def box(self, left: float, top: float, right: float, bottom: float, round: float = 0) -> None:
        corners = [value * _FINE for value in (left, top, right, bottom)]
        self._draw.rounded_rectangle(corners, round * _FINE, fill=255)

    def shape(self, *points: Point) -> None:
        self._draw.polygon([(x * _FINE, y * _FINE) for x, y in points], fill=255)

    def curve(self, *points: Point) -> None:
        self.shape(*_smooth(points))

    def line(self, *points: Point, width: float = 1.1) -> None:
        for x, y in points:
            self.disc(x, y, width / 2)
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        self._draw.line(fine, fill=255, width=round(width * _FINE))


def _smooth(points: Sequence[Point], pieces: int = 12) -> list[Point]:
    """Returns a closed curve through points (Catmull-Rom); a doubled point is a corner."""
    curve: list[Point] = []
    for i in range(len(points)):
        a, b, c, d = (np.array(points[(i + k) % len(points)]) for k in (-1, 0, 1, 2))
        for t in np.arange(pieces) / pieces:
            x, y = 0.5 * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
            curve.append((float(x), float(y)))
    return curve


def _base(shape: _Pen, details: _Pen, left: float = 7.2) -> None:
    right = SIDE - left
    shape.box(left, 25.4, right, 29, round=1.3)
    shape.shape((left + 1.6, 25.9), (left + 3, 22.6), (right - 3, 22.6), (right - 1.6, 25.9))
    details.line((left + 2.2, 25.6), (right - 2.2, 25.6), width=0.9)


def _pawn(shape: _Pen, details: _Pen) -> None:
    _base(shape, details, 8)
    shape.disc(16, 9.8, 4.8)
    shape.shape((13.4, 13), (18.6, 13), (21.6, 23.5), (10.4, 23.5))
    shape.disc(16, 15, 5.2, 1.8)


def _rook(shape: _Pen, details: _Pen) -> None:
    _base(shape, details)
    for left in (7.8, 13.6, 19.4):
        shape.box(left, 5, left + 4.8, 11)
    shape.shape((7.8, 8.2), (24.2, 8.2), (24.2, 11), (21.6, 13.4), (10.4, 13.4), (7.8, 11))
    shape.shape((10.6, 12), (21.4, 12), (22.4, 23.5), (9.6, 23.5))
    details.line((11, 13.3), (21, 13.3), width=0.9)
    details.line((10.6, 22.3), (21.4, 22.3), width=0.9)


def _bishop(shape: _Pen, details: _Pen) -> None:
    _base(shape, details)
    shape.disc(16, 4.9, 1.9)
    shape.curve((16, 5.5), (19.6, 9), (21.6, 13.4), (20.3, 17.4), (16, 19.4), (11.7, 17.4),
                (10.4, 13.4), (12.4, 9))  # fmt: skip
    shape.shape((13.4, 18), (18.6, 18), (20.6, 23.5), (11.4, 23.5))
    shape.box(11, 18.2, 21, 20.8, round=1.2)
    details.line((16, 9.4), (16, 15.4), width=1.2)
    details.line((13.2, 12.2), (18.8, 12.2), width=1.2)
    details.line((12.2, 19.5), (19.8, 19.5), width=0.8)


def _queen(shape: _Pen, details: _Pen) -> None:
    _base(shape, details, 6.6)
    tips: Sequence[Point] = ((5, 9.2), (10.3, 6.8), (16, 5.8), (21.7, 6.8), (27, 9.2))
    for x, y in tips:
        shape.disc(x, y, 2.1)
    valleys: Sequence[Point] = ((9.4, 16.4), (13.2, 15.6), (18.8, 15.6), (22.6, 16.4))
    crown: list[Point] = [tips[0]]
    for valley, tip in zip(valleys, tips[1:], strict=True):
        crown += [valley, tip]
    shape.shape(*crown, (23.2, 23.5), (8.8, 23.5))
    details.line((9.8, 20.2), (22.2, 20.2), width=0.9)
    details.line((9.9, 22.6), (22.1, 22.6), width=0.9)


def _king(shape: _Pen, details: _Pen) -> None:
    _base(shape, details, 6.6)
    shape.box(14.7, 2.2, 17.3, 10)
    shape.box(12.4, 4, 19.6, 6.6)
    shape.curve((16, 9.2), (17.8, 11.4), (17.6, 15), (16, 18), (14.4, 15), (14.2, 11.4))
    shape.curve((16, 14.6), (19.4, 11.2), (24, 11), (26.4, 14.4), (25, 18.6), (22.8, 21.4),
                (23, 23.5), (9, 23.5), (9.2, 21.4), (7, 18.6), (5.6, 14.4), (8, 11),
                (12.6, 11.2))  # fmt: skip
    details.line((16, 15.2), (16, 20.2), width=1)
    details.line((10, 20.9), (22, 20.9), width=0.9)


def _knight(shape: _Pen, details: _Pen) -> None:
    shape.curve((9.8, 26), (9.8, 26), (10.6, 22.6), (14.2, 19.2), (15.6, 16), (12.6, 17.2),
                (10.2, 18), (8.8, 20), (6.6, 20.2), (5.2, 18), (6.2, 15), (8.6, 11.6),
                (10.2, 8.2), (11.2, 7.2), (11.2, 3.6), (11.2, 3.6), (14.4, 6.2), (19.4, 7),
                (23.2, 11), (24.6, 17), (24.2, 26), (24.2, 26))  # fmt: skip
    shape.box(7.2, 25.4, 24.8, 29, round=1.3)
    details.disc(11.9, 11.2, 0.95)
    details.disc(7.4, 17.2, 0.6)
    details.line((19.2, 9.6), (21.4, 13), (22.2, 17.4), (22, 22.4), width=0.9)
    details.line((9.4, 25.6), (22.6, 25.6), width=0.9)


_SHAPES: dict[int, Callable[[_Pen, _Pen], None]] = {
    chess.PAWN: _pawn,
    chess.KNIGHT: _knight,
    chess.BISHOP: _bishop,
    chess.ROOK: _rook,
    chess.QUEEN: _queen,
    chess.KING: _king,
}
