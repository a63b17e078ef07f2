"""Selectors side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from icil.results.comparisons import BASELINE, Comparison, Comparisons
from icil.results.figures.cast import Cast
from icil.results.figures.colors import GRID, INK
from icil.results.figures.levels import draw_levels, of_agents, score_label, why_empty
from icil.results.figures.panels import (
    MOST,
    Layout,
    Panel,
    Section,
    make_page,
    part,
    say,
    split,
    tidy,
)
from icil.results.figures.scale import Size, set_ticks
from icil.results.figures.scores import Place, cast_of, group, hollow
from icil.results.gaps import CONTROL
from icil.results.leaderboard import Leaderboard, Row
from icil.results.scores import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAYOUT = Layout(columns=2, width=4.8, height=2.7)
_INSIDE = _LAYOUT.width - _LAYOUT.margins.left - _LAYOUT.margins.right
_GROUP = 0.72
"""How wide the points of one number of demonstrations are together, on an axis of such numbers."""


_Gaps = Mapping[tuple[str, str, str, str, Size], Comparison]
"""The comparisons with `random`, by task, format, agent, selector and size."""


class _Chosen(NamedTuple):
    """The rows of one agent in one place."""

    place: Place
    agent: str
    rows: Sequence[Row]


def draw_selectors(
    leaderboard: Leaderboard, comparisons: Comparisons, cast: Cast | None = None
) -> "Figure | None":
    """Draws the scores of the selectors side by side, and their gaps to `random`.

    Those whose demonstrations a control altered are left out: they are no other selectors.

    Two panels for each task, format and agent: the scores at each number of demonstrations (or
    budget), and how much higher they are than those of `random` on the same openings, with 95 %
    intervals. Without `random` there is no second panel.

    Args:
        leaderboard: The scores.
        comparisons: Those of its selectors.
        cast: How the run's selectors are drawn, if it is of more than this.

    Returns:
        None where no agent had two selectors.
    """
    chosen = _compared(leaderboard)
    if not chosen:
        return None
    cast = cast or cast_of(leaderboard)
    gaps = {
        (row.task, row.format, row.agent, row.first, Size.of(row)): row
        for row in comparisons.of("selectors").rows
        if row.second == BASELINE
    }
    selectors = sorted({row.selector for one in chosen for row in one.rows}, key=_random_first)
    others = [selector for selector in selectors if selector != BASELINE]
    parts = split(others, MOST - 1)
    several = len({one.agent for one in chosen}) > 1
    label = score_label(leaderboard.experiment.get("teacher_forced"))
    sections: list[Section] = []
    for number, some in enumerate(parts):
        shown = [s for s in selectors if s in some or s == BASELINE]
        panels: list[Panel] = []
        for one in chosen:
            title = one.place.title + (f" · {one.agent}" if several else "")
            task = one.place.task
            drawer = _SelectorsPanel(one, shown, cast, gaps, label)
            panels.append(Panel(draw=drawer.draw_scores, title=title, alike=task))
            if gaps:
                alike = f"{task}, gaps"
                panels.append(Panel(draw=drawer.draw_gaps, title=title, alike=alike))
        sections.append(Section(panels=panels, heading=part(number, len(parts))))
    return make_page(sections, _LAYOUT)


def why_no_selectors(leaderboard: Leaderboard) -> str:
    """Returns why there is no comparison of selectors; empty if there is one."""
    return "" if _compared(leaderboard) else "no agent was shown what two selectors chose"


def _compared(leaderboard: Leaderboard) -> list[_Chosen]:
    found: list[_Chosen] = []
    for place, rows in group(of_agents(leaderboard.rows)).items():
        for agent in sorted({row.agent for row in rows}):
            mine = [row for row in rows if row.agent == agent and row.selector]
            mine = [row for row in mine if CONTROL not in row.selector]
            if len({row.selector for row in mine}) > 1:
                found.append(_Chosen(place, agent, mine))
    return found


class _SelectorsPanel:
    """The selectors of one agent, in one task and format."""

    def __init__(
        self, chosen: _Chosen, selectors: Sequence[str], cast: Cast, gaps: _Gaps, label: str
    ) -> None:
        self._chosen, self._cast, self._gaps, self._label = chosen, cast, gaps, label
        self._selectors = [s for s in selectors if any(row.selector == s for row in chosen.rows)]
        sizes = sorted({Size.of(row) for row in chosen.rows})
        self._places: Mapping[Size, int] = {size: place for place, size in enumerate(sizes)}

    def draw_scores(self, axes: "Axes") -> None:
        axes.set_ylabel(self._label)
        draw_levels(axes, self._chosen.rows, random="random player")
        if reason := why_empty(self._chosen.rows):
            say(axes, reason)
        self._points(axes, self._score)
        self._frame(axes)

    def draw_gaps(self, axes: "Axes") -> None:
        axes.set_ylabel(f"gap to {BASELINE}")
        axes.axhline(0, color=INK, linewidth=0.8)
        self._points(axes, self._gap)
        self._frame(axes)

    def _row(self, selector: str, size: Size) -> Row | None:
        found = (r for r in self._chosen.rows if r.selector == selector and Size.of(r) == size)
        return next(found, None)

    def _score(self, selector: str, size: Size) -> Estimate | None:
        row = self._row(selector, size)
        if row is None or row.score_mean is None:
            return None
        return Estimate(mean=row.score_mean, low=row.score_ci_low, high=row.score_ci_high)

    def _gap(self, selector: str, size: Size) -> Estimate | None:
        (task, format), agent = self._chosen.place[:2], self._chosen.agent
        # Of an agent that looks at no format, there is one comparison for all of them.
        known = (self._gaps.get((task, one, agent, selector, size)) for one in (format, ""))
        row = next(filter(None, known), None)
        if row is None:
            return None
        return Estimate(mean=row.difference, low=row.difference_ci_low, high=row.difference_ci_high)

    def _points(self, axes: "Axes", find: Callable[[str, Size], Estimate | None]) -> None:
        step = _GROUP / len(self._selectors)
        for number, selector in enumerate(self._selectors):
            shift = (number + 0.5) * step - _GROUP / 2
            found = {
                size: (place + shift, estimate)
                for size, place in self._places.items()
                if (estimate := find(selector, size))
            }
            if not found:
                continue
            color, marker, _ = self._cast.selector_look(selector)
            bars = [(x, one.low, one.high) for x, one in found.values() if one.low is not None]
            if bars:
                axes.vlines(*zip(*bars, strict=True), color=color, linewidth=1.3)
            axes.plot(
                [x for x, _ in found.values()],
                [one.mean for _, one in found.values()],
                marker,
                color=color,
                markersize=5,
                label=self._cast.name(selector),
            )
            for size, (x, one) in found.items():
                if (row := self._row(selector, size)) and row.note:
                    hollow(axes, [x], [one.mean], color, marker)

    def _frame(self, axes: "Axes") -> None:
        budgets = any(size.tokens for size in self._places)
        axes.set_xlabel("demonstrations, or tokens filled" if budgets else "demonstrations")
        set_ticks(axes, {float(p): size.tick for size, p in self._places.items()}, _INSIDE)
        axes.set_xlim(-0.5, len(self._places) - 0.5)
        tidy(axes)
        for place in range(1, len(self._places)):
            axes.axvline(place - 0.5, color=GRID, linewidth=0.8, zorder=0)


def _random_first(selector: str) -> tuple[bool, str]:
    return selector != BASELINE, selector
