"""Scores against the number of demonstrations, and against the budget that is filled with them."""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan, nan
from typing import TYPE_CHECKING, NamedTuple

from icil.results.figures.cast import Cast, Series
from icil.results.figures.colors import FAINT
from icil.results.figures.levels import draw_levels, of_agents, score_label, why_empty
from icil.results.figures.panels import Layout, Panel, Section, make_page, part, say, split, tidy
from icil.results.figures.scale import Size, places, set_ticks
from icil.results.leaderboard import Leaderboard, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAYOUT = Layout()
_INSIDE = _LAYOUT.width - _LAYOUT.margins.left - _LAYOUT.margins.right
_BAND, _BANDS = 0.15, 0.45
"""How opaque a band is, and all of them on one another."""
UNFINISHED = "not finished"
"""What a hollow point is."""


def draw_scores(leaderboard: Leaderboard, cast: Cast | None = None) -> "Figure":
    """Draws the score against the number of demonstrations.

    A panel for each task and format, a line with its 95 % band for each agent and selector,
    and the expert's and the random player's means on the same openings as level lines. The
    axis has 0, then powers of two, evenly spaced. Where budgets are filled with demonstrations,
    they have a panel of their own, whose axis is in tokens. Points of unfinished cells are hollow.

    Args:
        leaderboard: What to draw; one without rows gives a panel that says so.
        cast: How the run's agents are drawn, if it is of more than this.
    """
    cast = cast or cast_of(leaderboard)
    parts = split(cast.series)
    sections = [
        Section(panels=_panels(leaderboard, cast, series), heading=part(number, len(parts)))
        for number, series in enumerate(parts)
    ]
    budgets = any(row.context_tokens is not None for row in leaderboard.rows)
    return make_page(sections, replace(_LAYOUT, columns=2) if budgets else _LAYOUT)


def cast_of(leaderboard: Leaderboard) -> Cast:
    """Returns the cast of a leaderboard."""
    return Cast((row.agent, row.selector) for row in leaderboard.rows)


class Place(NamedTuple):
    """What one panel is of."""

    task: str
    format: str
    ground: str
    """What sets it apart from others of its task and format, if anything does."""

    @property
    def title(self) -> str:
        """The title of the panel."""
        return " · ".join(filter(None, self))


def group(rows: Sequence[Row]) -> dict[Place, list[Row]]:
    """Returns the rows that can be compared with one another."""
    found: dict[Place, list[Row]] = {}
    for row in rows:
        found.setdefault(Place(row.task, row.format, row.ground), []).append(row)
    return dict(sorted(found.items()))


def _panels(leaderboard: Leaderboard, cast: Cast, series: Sequence[Series]) -> list[Panel]:
    found: list[Panel] = []
    label = score_label(leaderboard.experiment.get("teacher_forced"))
    for place, rows in group(leaderboard.rows).items():
        sizes = {Size.of(row) for row in of_agents(rows)}
        filled = any(size.tokens for size in sizes)
        counted = any(size.demonstrations for size in sizes) or not filled
        for tokens in (False,) * counted + (True,) * filled:
            panel = _ScoresPanel(rows, cast, series, tokens, label)
            found.append(Panel(draw=panel.draw, title=place.title, alike=place.task))
    return found or [Panel(draw=lambda axes: say(axes, "no cells"))]


class _ScoresPanel:
    """The scores of one task and format.

    Args:
        rows: Those of the task and format.
        cast: How they are drawn.
        series: Which are drawn.
        tokens: Whether against budgets, else against numbers of demonstrations.
        label: What a score is.
    """

    def __init__(
        self, rows: Sequence[Row], cast: Cast, series: Sequence[Series], tokens: bool, label: str
    ) -> None:
        self._rows, self._cast, self._series, self._label = rows, cast, series, label
        self._tokens = tokens
        sizes = [self._size(row) for row in of_agents(rows) if self._has(row)]
        self._places = places(sizes or [0])

    def draw(self, axes: "Axes") -> None:
        axes.set_ylabel(self._label)
        what = "context filled with demonstrations [tokens]" if self._tokens else "demonstrations"
        axes.set_xlabel(what)
        draw_levels(axes, self._rows)
        mine = [row for row in of_agents(self._rows) if self._has(row)]
        for series in self._series:
            shown = [
                row
                for row in mine
                if row.score_mean is not None and series.shows(row.agent, row.selector)
            ]
            if shown:
                self._line(axes, series, sorted(shown, key=self._size))
        if reason := why_empty(mine):
            say(axes, reason)
        ticks = {
            place: (Size(size, 0) if self._tokens and size else Size(0, size)).tick
            for size, place in self._places.items()
        }
        set_ticks(axes, ticks, _INSIDE)
        tidy(axes)

    def _has(self, row: Row) -> bool:
        """Whether a row is in this panel; one without demonstrations is in both."""
        return (row.context_tokens is not None) == self._tokens or Size.of(row) == (0, 0)

    def _size(self, row: Row) -> int:
        size = Size.of(row)
        return size.tokens or size.demonstrations

    def _line(self, axes: "Axes", series: Series, rows: Sequence[Row]) -> None:
        look = self._cast.look(*series)
        x = [self._places[self._size(row)] for row in rows]
        means = [row.score_mean or 0.0 for row in rows]
        axes.plot(
            x,
            means,
            color=look.color,
            marker=look.marker,
            markersize=4.5,
            linestyle=look.line,
            linewidth=1.5,
            label=self._cast.label(*series),
        )
        low = [nan if row.score_ci_low is None else row.score_ci_low for row in rows]
        high = [nan if row.score_ci_high is None else row.score_ci_high for row in rows]
        if len(rows) == 1:
            axes.vlines(x, low, high, color=look.color, alpha=0.5, linewidth=3)
        elif not all(map(isnan, low)):
            opaque = min(_BAND, _BANDS / len(self._series))
            axes.fill_between(x, low, high, color=look.color, alpha=opaque, linewidth=0)
        open_ = [n for n, row in enumerate(rows) if row.note]
        if open_:
            hollow(axes, [x[n] for n in open_], [means[n] for n in open_], look.color, look.marker)


def hollow(axes: "Axes", x: Sequence[float], y: Sequence[float], color: str, marker: str) -> None:
    """Draws the points of unfinished cells, and what they are into the legend."""
    axes.plot(x, y, marker, color=color, markerfacecolor="white", markersize=4.5, zorder=3)
    axes.plot([], [], "o", color=FAINT, markerfacecolor="white", markersize=4.5, label=UNFINISHED)
