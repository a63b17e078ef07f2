"""Colours that the colour-blind tell apart, and in print nobody takes for the paper's.

Six agents have the colours of Okabe and Ito (2008), less the yellow, which is too pale for lines,
and the black, which is the expert's; the seventh is from Tol (2021). Selectors have others, for
there a colour stands for something else.
"""

from typing import NamedTuple

AGENTS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#882255")
SELECTORS = ("#332288", "#cc6677", "#44aa99", "#999933", "#aa4499", "#88ccee", "#6e4b1f")
EXPERT, RANDOM = "#000000", "#808080"
"""Of the reference players."""
INK, FAINT, GRID = "#333333", "#757575", "#e6e6e6"
"""Of what is written and of the selector `random`, of remarks, and of the lines behind."""
SHARES = "cividis"
"""The colour map of shares from 0 to 1."""


class Rgb(NamedTuple):
    """A colour; red, green and blue from 0 to 1."""

    red: float
    green: float
    blue: float


def tint(color: str, white: float) -> Rgb:
    """Returns a colour with a share of white in it, from 0 (as it is) to 1 (white)."""
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return Rgb(*(part + (1 - part) * white for part in parts))


def shade(color: str, light: float) -> str:
    """Returns a colour made lighter, up to 1 (white), or darker, down to −1 (black)."""
    parts = tint(color, light) if light > 0 else (part * (1 + light) for part in tint(color, 0))
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)
