"""What a score costs."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, log10
from typing import TYPE_CHECKING, NamedTuple

from icil.results.figures.cast import Cast, Series
from icil.results.figures.colors import FAINT, INK
from icil.results.figures.levels import draw_levels, of_agents, score_label, why_empty
from icil.results.figures.panels import (
    CHARACTER,
    LINE,
    Layout,
    Panel,
    Section,
    make_page,
    part,
    say,
    split,
    tidy,
)
from icil.results.figures.scale import Size
from icil.results.figures.scores import cast_of, group, hollow
from icil.results.leaderboard import Leaderboard, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAYOUT = Layout(columns=2, width=5.6, height=3.7)
_INSIDE = (
    _LAYOUT.width - _LAYOUT.margins.left - _LAYOUT.margins.right,
    _LAYOUT.height - _LAYOUT.margins.top - _LAYOUT.margins.bottom,
)
_NOTHING = 0.6
"""How far before the cheapest decade stands what costs nothing, in decades."""
_STEPS = (1, 2, 5)
"""Where there are ticks in a decade, if there are few decades."""


class _Point(NamedTuple):
    """A cell, in a panel."""

    x: float
    y: float
    row: Row


def draw_costs(leaderboard: Leaderboard, cast: Cast | None = None) -> "Figure | None":
    """Draws the score against what an episode costs, each cell a point, and the Pareto front.

    On the front are the cells that none beats for the same money or less; the points on it say
    how much they show. Unfinished cells are hollow and not on it. Cells without a known price
    are left out, and the picture says whose.

    Args:
        leaderboard: What to draw.
        cast: How the run's agents are drawn, if it is of more than this.

    Returns:
        None where nothing is known to have cost anything.
    """
    if why_no_costs(leaderboard):
        return None
    cast = cast or cast_of(leaderboard)
    rows = of_agents(leaderboard.rows)
    axis = _CostAxis([cost for row in rows if (cost := _cost(row)) is not None])
    label = score_label(leaderboard.experiment.get("teacher_forced"))
    parts = split(cast.series)
    sections = [
        Section(
            panels=[
                Panel(
                    draw=_CostPanel(found, cast, series, axis, label).draw,
                    title=place.title,
                )
                for place, found in group(rows).items()
            ],
            heading=part(number, len(parts)),
        )
        for number, series in enumerate(parts)
    ]
    return make_page(sections, replace(_LAYOUT, remark=_unknown(rows, cast)))


def why_no_costs(leaderboard: Leaderboard) -> str:
    """Returns why there is no picture of costs; empty if there is one."""
    rows = [row for row in of_agents(leaderboard.rows) if row.score_mean is not None]
    if any(_cost(row) for row in rows):
        return ""
    if any(row.cost_usd is None for row in rows):
        return "the prices of the models are not known"
    return "nothing that has a score cost anything"


def _cost(row: Row) -> float | None:
    """Returns what an episode of a cell costs, in dollars; None where that is not known."""
    if row.cost_usd is None:
        return None
    return row.cost_usd / max(1, row.episodes + row.errors)


def _unknown(rows: Sequence[Row], cast: Cast) -> str:
    left_out = sorted({cast.name(row.agent) for row in rows if row.cost_usd is None})
    return f"Left out, for their prices are not known: {', '.join(left_out)}." if left_out else ""


class _CostAxis:
    """The axis of dollars: logarithmic, with a place for nothing before its beginning."""

    def __init__(self, costs: Sequence[float]) -> None:
        paid = [log10(cost) for cost in costs if cost > 0]
        low, high = min(paid), max(paid)
        if high - low < 0.3:
            low, high = low - 0.15, high + 0.15
        self._free = any(cost == 0 for cost in costs)
        self._nothing = low - _NOTHING
        first = self._nothing if self._free else low
        self.limits = (first - 0.15 * (high - first), high + 0.05 * (high - first))
        few = high - low < 2.5
        marks = [
            (decade + log10(step), step * 10.0**decade)
            for decade in range(floor(low) - 1, ceil(high) + 1)
            for step in (_STEPS if few else (1,))
        ]
        self.ticks = {
            place: _dollars(cost) for place, cost in marks if low - 0.05 <= place <= self.limits[1]
        }
        if self._free:
            self.ticks[self._nothing] = "$0"

    def place(self, cost: float) -> float:
        return log10(cost) if cost > 0 else self._nothing


def _dollars(cost: float) -> str:
    return f"${cost:,.0f}" if cost >= 1 else f"${cost:.{-floor(log10(cost) + 1e-9)}f}"


class _CostPanel:
    """The costs and scores of one task and format."""

    def __init__(
        self,
        rows: Sequence[Row],
        cast: Cast,
        series: Sequence[Series],
        axis: _CostAxis,
        label: str,
    ) -> None:
        self._rows, self._cast, self._series = rows, cast, series
        self._axis, self._label = axis, label
        self._points = [
            _Point(axis.place(cost), row.score_mean, row)
            for row in rows
            if row.score_mean is not None and (cost := _cost(row)) is not None
        ]

    def draw(self, axes: "Axes") -> None:
        axes.set_xlabel("cost of an episode")
        axes.set_ylabel(self._label)
        draw_levels(axes, self._rows)
        for series in self._series:
            self._draw_series(axes, series)
        if not self._points:
            say(axes, why_empty(self._rows) or "no price is known")
        front = _front(self._points)
        self._draw_front(axes, front)
        axes.set_xlim(*self._axis.limits)
        axes.set_xticks(list(self._axis.ticks), list(self._axis.ticks.values()))
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.08 * (high - low))
        tidy(axes)
        self._name(axes, front)

    def _draw_series(self, axes: "Axes", series: Series) -> None:
        # What shows no demonstrations is on several lines; as a point it is drawn once.
        mine = [p for p in self._points if Series(p.row.agent, p.row.selector) == series]
        if self._first(series):
            mine += [p for p in self._points if (p.row.agent, p.row.selector) == (series.agent, "")]
        if not mine:
            return
        look = self._cast.look(*series)
        for point in mine:
            low, high = point.row.score_ci_low, point.row.score_ci_high
            if low is not None and high is not None:
                axes.vlines(point.x, low, high, color=look.color, alpha=0.35, linewidth=1)
        axes.plot(
            [point.x for point in mine],
            [point.y for point in mine],
            look.marker,
            color=look.color,
            markersize=5.5,
            label=self._cast.label(*series),
        )
        if open_ := [point for point in mine if point.row.note]:
            where = [point.x for point in open_], [point.y for point in open_]
            hollow(axes, *where, look.color, look.marker)

    def _first(self, series: Series) -> bool:
        """Whether a series is its agent's first, or that without a selector."""
        mine = [one for one in self._cast.series if one.agent == series.agent]
        return series == mine[0] and series.selector != ""

    def _draw_front(self, axes: "Axes", front: Sequence[_Point]) -> None:
        if front:
            axes.step(
                [*(point.x for point in front), self._axis.limits[1]],
                [*(point.y for point in front), front[-1].y],
                where="post",
                color=FAINT,
                linewidth=1,
                zorder=1,
                label="Pareto front",
            )

    def _name(self, axes: "Axes", front: Sequence[_Point]) -> None:
        """Says how much the points on the front show, as far as there is room."""
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        wide, tall = _INSIDE[0] / (right - left), _INSIDE[1] / (high - low)
        taken: list[tuple[float, float, float]] = []
        for point in reversed(front):
            if not any(one.shows(point.row.agent, point.row.selector) for one in self._series):
                continue
            text = Size.of(point.row).label
            x, y, length = (point.x - left) * wide, (point.y - low) * tall, len(text) * CHARACTER
            if all(abs(x - a) > max(length, b) or abs(y - c) > LINE for a, b, c in taken):
                taken.append((x, length, y))
                # To the left above: the front comes from below and goes on to the right.
                axes.annotate(
                    text,
                    (point.x, point.y),
                    xytext=(-5, 4),
                    textcoords="offset points",
                    ha="right",
                    fontsize=8,
                    color=INK,
                )


def _front(points: Sequence[_Point]) -> list[_Point]:
    """Returns the finished points that no cheaper or equally cheap one beats, cheapest first."""
    found: list[_Point] = []
    order = sorted(points, key=lambda p: (p.x, -p.y, p.row.agent, Size.of(p.row), p.row.selector))
    for point in order:
        if not point.row.note and (not found or point.y > found[-1].y):
            found.append(point)
    return found
