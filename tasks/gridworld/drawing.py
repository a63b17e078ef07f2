"""The looks of the grid world: as characters and as a picture of 16-pixel tiles.

The sprites are drawn once, when the first picture is asked for; a picture is then the empty
room with two tiles put in. A player on the target hides it.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from icil.tasks.gridworld.env import SIZE, Cell

TILE = 16
"""Pixels along each side of a cell."""

_WALL, _FLOOR, _PLAYER, _TARGET = "#.PT"
_ROW = SIZE + 1
"""Characters from one row to the next, the line break included."""
_ROOM = "\n".join(
    [_WALL * SIZE, *[_WALL + _FLOOR * (SIZE - 2) + _WALL] * (SIZE - 2), _WALL * SIZE]
).encode()

_FINE = 8
"""How many times larger than life sprites are drawn, so that their edges come out smooth."""

Pixels = NDArray[np.uint8]


def as_characters(player: Cell, target: Cell) -> str:
    """Returns the room as 12 lines of 12 characters: # wall, . floor, P player, T target."""
    room = bytearray(_ROOM)
    room[target[0] * _ROW + target[1]] = ord(_TARGET)
    room[player[0] * _ROW + player[1]] = ord(_PLAYER)
    return room.decode()


def as_picture(player: Cell, target: Cell) -> Pixels:
    """Returns the room as a new array of 192x192 RGB pixels."""
    sprites = _sprites()
    picture = sprites.room.copy()
    _put(picture, target, sprites.target)
    _put(picture, player, sprites.player)
    return picture


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sprites:
    room: Pixels
    player: Pixels
    target: Pixels


@cache
def _sprites() -> _Sprites:
    floor, wall = _floor(), _wall()
    room = np.tile(_shrink(wall), (SIZE, SIZE, 1))
    room[TILE:-TILE, TILE:-TILE] = np.tile(_shrink(floor), (SIZE - 2, SIZE - 2, 1))
    return _Sprites(
        room=room, player=_shrink(_player(floor.copy())), target=_shrink(_target(floor.copy()))
    )


def _put(picture: Pixels, cell: Cell, sprite: Pixels) -> None:
    top, left = cell[0] * TILE, cell[1] * TILE
    picture[top : top + TILE, left : left + TILE] = sprite


def _shrink(drawn: Image.Image) -> Pixels:
    return np.asarray(drawn.reduce(_FINE))


def _box(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
    """Returns a box given in pixels of the finished sprite as Pillow wants it."""
    return left * _FINE, top * _FINE, right * _FINE - 1, bottom * _FINE - 1


def _disc(middle: tuple[float, float], radius: float) -> tuple[float, ...]:
    x, y = middle
    return _box(x - radius, y - radius, x + radius, y + radius)


def _floor() -> Image.Image:
    tile = Image.new("RGB", (TILE * _FINE, TILE * _FINE), "#e3dac6")
    ImageDraw.Draw(tile).rectangle(_box(0, 0, 15, 15), fill="#f3ecdc")
    return tile


def _wall() -> Image.Image:
    """Returns two courses of bricks that go on in the neighbouring tiles."""
    tile = Image.new("RGB", (TILE * _FINE, TILE * _FINE), "#39414d")
    draw = ImageDraw.Draw(tile)
    for top, starts in ((0, (0,)), (8, (-8, 8))):
        for left in starts:
            draw.rectangle(_box(left, top, left + 15, top + 7), fill="#6d7a8c")
            draw.rectangle(_box(left, top, left + 15, top + 1), fill="#8593a6")
    return tile


def _player(tile: Image.Image) -> Image.Image:
    """Returns a little person in blue."""
    draw = ImageDraw.Draw(tile)
    for inset, coat, skin in ((0.0, "#12305e", "#12305e"), (1.0, "#2f74d0", "#f4c69c")):
        draw.ellipse(_box(1.5 + inset, 7 + inset, 13.5 - inset, 15 - inset), fill=coat)
        draw.ellipse(_disc((7.5, 4.75), 4.25 - inset), fill=skin)
    draw.pieslice(_disc((7.5, 4.75), 3.75), 180, 360, fill="#5a3a22")
    draw.ellipse(_disc((7.5, 5.5), 2.5), fill="#f4c69c")
    for x in (6.5, 8.5):
        draw.rectangle(_box(x - 0.5, 4.5, x + 0.5, 6), fill="#12305e")
    return tile


def _target(tile: Image.Image) -> Image.Image:
    """Returns a red and white bull's-eye."""
    draw = ImageDraw.Draw(tile)
    rings = ((7.0, "#7d1212"), (6.25, "#d92b2b"), (4.25, "#ffffff"), (2.25, "#d92b2b"))
    for radius, colour in rings:
        draw.ellipse(_disc((7.5, 7.5), radius), fill=colour)
    return tile
