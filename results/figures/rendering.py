"""Figures as files: the same figure gives the same bytes, of a size that a web page can take."""

import io
import re
import warnings
from typing import TYPE_CHECKING

from icil.results.figures.panels import own_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
"""Dots an inch of a PNG, where it does not become too large."""
_PIXELS, _LONGEST = 40_000_000, 60_000
"""The most pixels of a PNG, and the longest side; matplotlib draws no more than 65,535."""
_SALT = "icil"
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_NOISE = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|(?<=>)\s+(?=<)", re.DOTALL)
_ID = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r'href="#([^"]+)"|url\(#([^)]+)\)')
_PATH = re.compile(r'(?<= d=")[^"]+|(?<= [xy]=")[^"]+|(?<=translate\()[^)]+')
_SPACE = re.compile(r"\s*([MLQCz])\s*")
_DECIMALS = re.compile(r"(\.\d\d)\d+")


def to_png(figure: "Figure") -> bytes:
    """Returns a figure as PNG, 150 dots an inch, or fewer where it is very large."""
    width, height = figure.get_size_inches()
    dpi = min(DPI, (_PIXELS / (width * height)) ** 0.5, _LONGEST / max(width, height))
    return _save(figure, "png", dpi=dpi, metadata={"Software": None})


def to_svg(figure: "Figure", name: str, title: str = "") -> str:
    """Returns a figure as an SVG element, as it can also stand in an HTML page.

    Texts are drawn as outlines, so that it looks the same everywhere.

    Args:
        figure: The figure.
        name: Its id in the page; ids within it are made with it.
        title: What it shows, for those who cannot see it.
    """
    metadata = {"Date": None, "Creator": None, **({"Title": title} if title else {})}
    text = _save(figure, "svg", name=name, metadata=metadata).decode()
    text = _NOISE.sub("", _HEAD.sub("", text, count=1))
    used = {name, *(one or other for one, other in _REFERENCE.findall(text))}
    text = _ID.sub(lambda found: found[0] if found[1] in used else "", text)
    text = text.replace("DejaVuSans-", "dv")
    return _PATH.sub(lambda found: _SPACE.sub(r"\1", _DECIMALS.sub(r"\1", found[0])), text)


def _save(figure: "Figure", kind: str, *, name: str = "", **how: object) -> bytes:
    import matplotlib as mpl

    content = io.BytesIO()
    with own_style(), warnings.catch_warnings():
        # A name may have characters that the font that comes with matplotlib has not.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcParams.update({"svg.hashsalt": _SALT + name, "svg.id": name or None})
        figure.savefig(content, format=kind, **how)  # type: ignore[arg-type]
    return content.getvalue()
