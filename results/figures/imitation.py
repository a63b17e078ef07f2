"""How agents imitate, over the steps: agreement with the expert, copies, still on course."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from icil.results.curves import MEASURES, Curve, Curves
from icil.results.figures.cast import PLAYERS, Cast, Series, cut
from icil.results.figures.colors import Rgb, tint
from icil.results.figures.panels import (
    Layout,
    Margins,
    Panel,
    Section,
    make_page,
    part,
    say,
    split,
    tidy,
)
from icil.results.figures.scale import Size
from icil.results.scores import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAYOUT = Layout(width=3.7, height=2.0, margins=Margins(left=0.75, top=0.28, bottom=0.42))
_FEW, _TALL = 2, 2.8
"""So few rows have panels so high, in inches."""
_MOST = 6
"""Curves in a panel, as far as that can be, the reference players not counted."""
_PALEST = 0.65
"""How much white there is in the line of the fewest demonstrations."""
_SHADE = 0.1
"""How opaque a band is."""
_SHARES = (0.0, 0.5, 1.0)
"""Where there are ticks."""
_NAME = 24
"""Characters of a task's name beside a panel."""
_LEFT = 0.1
"""The share of the episodes that must still be playing for a line to go on."""
_Key = tuple[str, str, Size]
"""An agent, its selector, how much is shown."""
_WORDS = {
    "agreement": "chooses as the expert",
    "copies": "copies the nearest state",
    "on_course": "still on the expert's course",
}


class _Look(NamedTuple):
    color: Rgb
    line: str
    label: str


def draw_curves(curves: Curves, cast: Cast | None = None) -> "Figure":
    """Draws agreement, copies and the share still on course against the step number.

    A line with its 95 % band for each cell, the darker the more demonstrations. Where there are
    many, each agent and selector is there with its most demonstrations, and with fewer as far as
    there is room. Where fewer than a tenth of the episodes, or only one of many, still play, the
    line ends. A measure that was not taken anywhere has no panels.

    Args:
        curves: What to draw; if nothing was measured, a panel says so.
        cast: How the run's agents are drawn, if it is of more than these.
    """
    cast = cast or Cast((curve.agent, curve.selector) for curve in curves.rows)
    measures = [name for name in MEASURES if any(getattr(c, name) for c in curves.rows)]
    if not measures:
        nothing = Panel(draw=lambda axes: say(axes, "nothing was measured"))
        return make_page([Section(panels=[nothing])], _LAYOUT)
    drawn = [one for one in cast.series if _sizes(curves.rows, one)]
    groups = split(drawn, _MOST)
    sections: list[Section] = []
    complete = True
    for number, group in enumerate(groups):
        sizes = {one: _spread(_sizes(curves.rows, one), _MOST // len(group)) for one in group}
        complete &= all(shown == _sizes(curves.rows, one) for one, shown in sizes.items())
        panels = _panels(curves.rows, measures, _looks(curves.rows, sizes, cast))
        sections.append(Section(panels=panels, heading=part(number, len(groups))))
    remark = "" if complete else "Not all numbers of demonstrations are drawn."
    layout = replace(_LAYOUT, columns=len(measures), remark=remark)
    if max(len(section.panels) for section in sections) <= _FEW * len(measures):
        layout = replace(layout, height=_TALL)
    return make_page(sections, layout)


def why_no_curves(curves: Curves) -> str:
    """Returns why there is no picture of how agents imitate; empty if there is one."""
    measured = any(getattr(curve, name) for curve in curves.rows for name in MEASURES)
    return "" if measured else "it was not measured how the agents imitate (`icil imitation` does)"


def _sizes(curves: Iterable[Curve], series: Series) -> list[Size]:
    """Returns how much is shown in the cells of a series, from the least to the most."""
    return sorted({Size.of(c) for c in curves if series.shows(c.agent, c.selector)})


def _spread(sizes: Sequence[Size], most: int) -> list[Size]:
    """Returns the most that is shown, and so many others as may be, evenly spread."""
    count, last = max(1, min(most, len(sizes))), len(sizes) - 1
    return [sizes[last - round(n * last / max(1, count - 1))] for n in reversed(range(count))]


def _panels(
    curves: Sequence[Curve], measures: Sequence[str], looks: Mapping[_Key, _Look]
) -> list[Panel]:
    """Returns a row of panels for each task and format, a column for each measure."""
    places = sorted({(curve.task, curve.format) for curve in curves})
    found: list[Panel] = []
    for place in places:
        here = [curve for curve in curves if (curve.task, curve.format) == place]
        for measure in measures:
            panel = _CurvesPanel(
                [curve for curve in here if _key(curve) in looks],
                measure,
                looks,
                place="\n".join(cut(name, _NAME) for name in place),
                first=measure == measures[0],
                last=place == places[-1],
            )
            found.append(
                Panel(draw=panel.draw, title=_WORDS[measure] if place == places[0] else "")
            )
    return found


def _key(curve: Curve) -> _Key:
    return curve.agent, curve.selector, Size.of(curve)


def _looks(
    curves: Sequence[Curve], sizes: Mapping[Series, Sequence[Size]], cast: Cast
) -> Mapping[_Key, _Look]:
    """Returns how curves are drawn, those of the reference players first.

    Args:
        curves: All of them.
        sizes: Which are drawn, by their series.
        cast: How the run's agents are drawn.
    """
    found = {
        _key(curve): _Look(tint(look.color, 0), look.line, curve.agent)
        for curve in curves
        if curve.agent in PLAYERS
        for look in [cast.look(curve.agent, "")]
    }
    for series, shown in sizes.items():
        color, _, line = cast.look(*series)
        for place, size in enumerate(shown):
            white = _PALEST * (1 - place / (len(shown) - 1)) if len(shown) > 1 else 0.0
            for curve in curves:
                if series.shows(curve.agent, curve.selector) and Size.of(curve) == size:
                    label = f"{cast.label(curve.agent, curve.selector)}, {size.label}"
                    found.setdefault(_key(curve), _Look(tint(color, white), line, label))
    return found


class _CurvesPanel:
    """One measure, in one task and format.

    Args:
        curves: Those that are drawn.
        measure: Which.
        looks: How they are drawn.
        place: The task and format.
        first: Whether it is in the first column.
        last: Whether it is in the last row.
    """

    def __init__(
        self,
        curves: Sequence[Curve],
        measure: str,
        looks: Mapping[_Key, _Look],
        *,
        place: str,
        first: bool,
        last: bool,
    ) -> None:
        self._curves, self._measure, self._looks = curves, measure, looks
        self._place, self._last = place if first else "", last

    def draw(self, axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        for curve in sorted(self._curves, key=lambda c: list(self._looks).index(_key(c))):
            self._line(axes, curve)
        if not axes.lines:
            say(axes, "not measured")
        axes.set_ylim(-0.06, 1.06)
        axes.set_yticks(_SHARES)
        axes.set_ylabel(self._place)
        axes.set_xlabel("step" if self._last else "")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        tidy(axes)

    def _line(self, axes: "Axes", curve: Curve) -> None:
        found = self._known(curve)
        if not found:
            return
        look, steps = self._looks[_key(curve)], list(found)
        axes.plot(
            steps,
            [estimate.mean for estimate in found.values()],
            color=look.color,
            linestyle=look.line,
            linewidth=1.5,
            marker="o" if len(found) == 1 else None,
            label=look.label,
        )
        if curve.episodes > 1:
            low = [one.mean if one.low is None else one.low for one in found.values()]
            high = [one.mean if one.high is None else one.high for one in found.values()]
            axes.fill_between(steps, low, high, color=look.color, alpha=_SHADE, linewidth=0)

    def _known(self, curve: Curve) -> dict[int, Estimate]:
        """Returns what is drawn of a curve, by step."""
        # Those that have ended are still on course or not; of the rest, too few say nothing.
        least = 0.0 if self._measure == "on_course" else _LEFT * curve.episodes
        found: dict[int, Estimate] = {}
        for point in curve.points:
            estimate: Estimate | None = getattr(point, self._measure)
            alone = curve.episodes > 1 and (estimate is None or estimate.low is None)
            if estimate and not alone and point.n >= least:
                found[point.step] = estimate
        return found
