"""The pictures of a run as SVG that stands in the page: no styles, and its ink the page's.

The page's policy forbids all styles but its own, so that every property is made an attribute.
Backgrounds are left out and inks take the colour of the page's text: they are seen in the dark
as well.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from icil.results.figures import TITLES, make_figures, to_svg
from icil.results.figures.colors import FAINT, GRID, INK
from icil.results.report.runs import ReportedRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_INKS = {"#000000": 1.0, INK: 1.0, FAINT: 0.65, GRID: 0.18}
"""Colours that stand for the page's text, with how opaque it is."""
_WHITE = "#ffffff"
_PIXELS = 96
"""An inch, in a page."""
_DROPPED = frozenset({"metadata", "style"})
_REFERENCE = re.compile(r"url\(#")


class Drawing(NamedTuple):
    """A picture in the page."""

    title: str
    svg: str
    """An `<svg>` element of our own making."""


class Gallery(NamedTuple):
    """The pictures of a run."""

    run: str
    drawings: Sequence[Drawing]
    missing: Mapping[str, str]
    """The titles of those that were not made, for there is nothing to show, and why."""


def draw_run(run: ReportedRun, prefix: str = "") -> Gallery:
    """Draws the pictures of a run; takes seconds.

    Args:
        run: The run.
        prefix: What the ids in the pictures begin with; no two runs of a page share it.
    """
    figures = make_figures(run.store)
    drawn = [
        Drawing(TITLES[name], inline_svg(figure, prefix + name, TITLES[name]))
        for name, figure in figures.items()
    ]
    return Gallery(run.name, drawn, {TITLES[name]: why for name, why in figures.missing.items()})


def inline_svg(figure: "Figure", name: str, title: str) -> str:
    """Returns a figure as an `<svg>` element.

    Args:
        figure: The figure, of which the backgrounds are made invisible.
        name: What the ids in it begin with.
        title: What it shows, for those who cannot see it.
    """
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    root = ElementTree.fromstring(to_svg(figure, name, title))  # noqa: S314 - matplotlib's own
    for element in list(root.iter()):
        for child in [one for one in element if one.tag.rpartition("}")[2] in _DROPPED]:
            element.remove(child)
        _tidy(element, f"{name}-")
    del root.attrib["height"]  # follows from the width
    root.attrib |= {
        "width": str(round(figure.get_figwidth() * _PIXELS)),
        "fill": "currentColor",  # of what has no colour of its own: letters
        "role": "img",
        "aria-label": title,
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(element: ElementTree.Element, prefix: str) -> None:
    attributes = element.attrib
    attributes |= dict(_properties(attributes.pop("style", "")))
    for name in ("fill", "stroke"):
        opacity = _INKS.get(attributes.get(name, "").lower())
        if attributes.get(name, "").lower() == _WHITE:
            attributes["class"] = "paper"
        if opacity is not None:
            attributes[name] = "currentColor"
            if opacity < 1:
                attributes[f"{name}-opacity"] = str(opacity)
    if "id" in attributes:
        attributes["id"] = prefix + attributes["id"]
    if _LINK in attributes:
        link = attributes.pop(_LINK)
        attributes["href"] = f"#{prefix}{link[1:]}" if link.startswith("#") else link
    for name, value in attributes.items():
        attributes[name] = _REFERENCE.sub(f"url(#{prefix}", value)


def _properties(style: str) -> Iterator[tuple[str, str]]:
    for one in style.split(";"):
        name, colon, value = one.partition(":")
        if colon:
            yield name.strip(), value.strip()
