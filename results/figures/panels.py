"""Pages of panels: where each stands, the legends, what all of them have in common.

A page has sections, one below the other, each with its panels and a legend under them: where there
are too many series for one panel, each section shows some of them. Everything has its place in
inches, so that a page of a hundred panels is laid out at once and is the same everywhere.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from icil.results.figures.cast import cut
from icil.results.figures.colors import FAINT, GRID, INK

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 8
"""Series in a panel."""
CHARACTER = 0.08
"""The width of a character, in inches; few are wider."""
LINE = 0.2
"""The height of a line of text, in inches."""
_LEGEND_LINE = 0.18
"""The height of a line of a legend, in inches."""
_HANDLE = 0.6
"""The width of what stands before a label in a legend, in inches."""
_TITLE = 42
"""Characters of a panel's title."""
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelsize": 9,
    "axes.titlesize": 10,
    "font.size": 9,
    "legend.fontsize": 9,
    "text.parse_math": False,  # names and prices may hold dollar signs
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}

T = TypeVar("T")


class Margins(NamedTuple):
    """What is left free around a panel, in inches."""

    left: float = 0.78
    right: float = 0.2
    top: float = 0.35
    bottom: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One diagram."""

    draw: Callable[["Axes"], None]
    title: str = ""
    alike: str | None = None
    """Panels with the same word here have the same y axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Panels that share a legend."""

    panels: Sequence[Panel]
    heading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a page is laid out."""

    columns: int = 3
    """The most panels side by side."""
    width: float = 4.2
    """Of a panel with its margins, in inches."""
    height: float = 2.9
    """Of a panel with its margins, in inches."""
    margins: Margins = field(default_factory=Margins)
    remark: str = ""
    """What is said below everything; empty for nothing."""


@contextmanager
def own_style() -> Iterator[None]:
    """Draws as this package does, whatever the user's settings of matplotlib are."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def make_page(sections: Sequence[Section], layout: Layout) -> "Figure":
    """Draws sections one below the other."""
    from matplotlib.figure import Figure

    with own_style():
        figure = Figure()
        drawn = [[figure.add_axes((0, 0, 1, 1)) for _ in s.panels] for s in sections]
        for section, panels in zip(sections, drawn, strict=True):
            for panel, axes in zip(section.panels, panels, strict=True):
                axes.set_title(cut(panel.title, _TITLE))
                panel.draw(axes)
            _share_scales(section.panels, panels)
        _Placing(figure, sections, drawn, layout).place()
    return figure


class _Labels(NamedTuple):
    """What is written at the axes of a panel."""

    x: str
    y: str


class _Placing:
    """Gives what was drawn its place, and writes legends, headings and the remark."""

    def __init__(
        self,
        figure: "Figure",
        sections: Sequence[Section],
        drawn: Sequence[Sequence["Axes"]],
        layout: Layout,
    ) -> None:
        self._figure, self._sections, self._drawn, self._layout = figure, sections, drawn, layout
        self._columns = max(1, min(layout.columns, max(map(len, drawn), default=1)))
        self._labels = [[_Labels(a.get_xlabel(), a.get_ylabel()) for a in s] for s in drawn]
        self._legends = [_handles(panels) for panels in drawn]
        labels = [len(label) for legend in self._legends for label in legend]
        widest = _HANDLE + CHARACTER * max(labels, default=0)
        self._width = max(layout.width * self._columns, widest + 0.2)
        self._beside = max(1, int(self._width / widest))
        self._remark = textwrap.wrap(layout.remark, int((self._width - 0.3) / CHARACTER))

    def place(self) -> None:
        heights = [self._section_height(number) for number in range(len(self._sections))]
        remark = LINE * len(self._remark) + (0.1 if self._remark else 0)
        self._height = sum(heights) + remark
        self._figure.set_size_inches(self._width, self._height)
        top = self._height
        for number, height in enumerate(heights):
            self._place_section(number, top)
            top -= height
        if self._remark:
            text = "\n".join(self._remark)
            self._write(text, self._width / 2, remark - 0.05, color=FAINT, va="top")

    def _section_height(self, number: int) -> float:
        rows = -(-len(self._drawn[number]) // self._columns)
        heading = 1.5 * LINE if self._sections[number].heading else 0
        return heading + rows * self._layout.height + self._legend_height(number)

    def _legend_height(self, number: int) -> float:
        count = len(self._legends[number])
        return _LEGEND_LINE * -(-count // self._beside) + 0.15 if count else 0.0

    def _place_section(self, number: int, top: float) -> None:
        layout, margins = self._layout, self._layout.margins
        width = self._width / self._columns
        if heading := self._sections[number].heading:
            self._write(heading, self._width / 2, top - 0.05, weight="bold", va="top")
            top -= 1.5 * LINE
        for place, axes in enumerate(self._drawn[number]):
            row, column = divmod(place, self._columns)
            left, bottom = column * width + margins.left, top - (row + 1) * layout.height
            self._leave_out_labels(number, place)
            axes.set_position(
                (
                    left / self._width,
                    (bottom + margins.bottom) / self._height,
                    (width - margins.left - margins.right) / self._width,
                    (layout.height - margins.top - margins.bottom) / self._height,
                )
            )
        top -= -(-len(self._drawn[number]) // self._columns) * layout.height
        if legend := self._legends[number]:
            self._figure.legend(
                list(legend.values()),
                list(legend),
                loc="upper center",
                bbox_to_anchor=(0.5, top / self._height),
                ncols=min(self._beside, len(legend)),
                frameon=False,
                borderaxespad=0,
                labelspacing=0.35,
            )

    def _leave_out_labels(self, number: int, place: int) -> None:
        """Leaves out the labels of axes that the panel to the left, or that below, has as well."""
        drawn, column = self._drawn[number], place % self._columns
        beside = self._labels[number][place - 1] if column else None
        below = place + self._columns
        under = self._labels[number][below] if below < len(drawn) else None
        mine = self._labels[number][place]
        if beside and beside.y == mine.y:
            drawn[place].set_ylabel("")
        if under and under.x == mine.x:
            drawn[place].set_xlabel("")

    def _write(self, text: str, x: float, y: float, **how: Any) -> None:
        self._figure.text(x / self._width, y / self._height, text, ha="center", **how)


def tidy(axes: "Axes", axis: Literal["x", "y"] = "y") -> None:
    """Gives a panel grid lines behind what is drawn, and no frame above and to the right."""
    axes.grid(visible=True, axis=axis, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def say(axes: "Axes", text: str) -> None:
    """Writes into the middle of a panel why there is nothing in it."""
    wrapped = "\n".join(textwrap.wrap(text, 36))
    axes.text(0.5, 0.5, wrapped, transform=axes.transAxes, ha="center", va="center", color=FAINT)


def split(items: Sequence[T], most: int = MOST) -> list[Sequence[T]]:
    """Returns items in groups that are as even as can be, of at most so many; one at least."""
    groups = max(1, -(-len(items) // most))
    bounds = [len(items) * n // groups for n in range(groups + 1)]
    return [items[low:high] for low, high in pairwise(bounds)]


def part(number: int, parts: int) -> str:
    """Returns the heading of one of several sections, counted from 0; empty where it is alone."""
    return f"part {number + 1} of {parts}" if parts > 1 else ""


def _share_scales(panels: Sequence[Panel], drawn: Sequence["Axes"]) -> None:
    """Gives panels that are to be alike the same y axis."""
    pairs = sorted(
        ((p.alike, n) for n, p in enumerate(panels) if p.alike and drawn[n].has_data()),
    )
    for _, group in groupby(pairs, key=lambda pair: pair[0]):
        alike = [drawn[number] for _, number in group]
        low, high = zip(*(axes.get_ylim() for axes in alike), strict=True)
        for axes in alike:
            axes.set_ylim(min(low), max(high))


def _handles(panels: Sequence["Axes"]) -> Mapping[str, "Artist"]:
    """Returns what is in the legend: all the labels of some panels, each once."""
    return {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
