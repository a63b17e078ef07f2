"""How far actions are from the demonstrated ones, step by step and number by number."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from icil.results.action_errors import ActionError, ActionErrors
from icil.results.figures.cast import PLAYERS, Cast, Look, Series
from icil.results.figures.panels import Layout, Panel, Section, make_page, part, split, tidy
from icil.results.figures.scale import Size
from icil.results.scores import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAYOUT = Layout(columns=2, width=5.0, height=2.6)
_GROUP = 0.4
"""The share of the place of a dimension that the agents' points take."""
_SHADE = 0.12
"""How opaque a band is."""
_LEFT = 0.1
"""The share of the episodes that must still be playing for a line to go on."""
_MOST = "Of each agent and selector, the most demonstrations are drawn."


def draw_actions(errors: ActionErrors, cast: Cast | None = None) -> "Figure | None":
    """Draws action errors of each task and format, by step and by dimension.

    An error is in parts of the distance between the bounds of a number; bands and bars are 95 %
    intervals. A line ends where fewer than a tenth of the episodes still play.

    Args:
        errors: What to draw.
        cast: How the run's agents are drawn, if it is of more than these.

    Returns:
        None where there is nothing to draw.
    """
    if why_no_actions(errors):
        return None
    rows = [row for row in errors.rows if row.error]
    cast = cast or Cast((row.agent, row.selector) for row in rows)
    shown = _most_shown(rows)
    players = [Series(name, "") for name in PLAYERS if any(row.agent == name for row in shown)]
    groups = split(cast.series)
    sections = [
        Section(panels=_panels(shown, cast, [*players, *group]), heading=part(number, len(groups)))
        for number, group in enumerate(groups)
    ]
    return make_page(sections, replace(_LAYOUT, remark=_MOST if len(shown) < len(rows) else ""))


def why_no_actions(errors: ActionErrors) -> str:
    """Returns why there is no picture of action errors; empty if there is one."""
    if any(row.error for row in errors.rows):
        return ""
    if errors.rows:
        return "no reply had an action that could be compared"
    reasons = "; ".join(errors.unmeasured.values())
    return reasons or "it is of teacher-forced runs of tasks whose actions are vectors"


def _most_shown(rows: Sequence[ActionError]) -> list[ActionError]:
    """Returns of each agent and selector in a place the row that shows the most."""
    found: dict[tuple[str, ...], ActionError] = {}
    for row in sorted(rows, key=Size.of):
        found[row.task, row.format, row.agent, row.selector] = row
    return list(found.values())


def _panels(rows: Sequence[ActionError], cast: Cast, series: Sequence[Series]) -> list[Panel]:
    """Returns two panels for each task and format, those of the errors by step on the left."""
    found: list[Panel] = []
    for place in sorted({(row.task, row.format) for row in rows}):
        drawn = {
            one: row
            for one in series
            for row in rows
            if (row.task, row.format) == place and (row.agent, row.selector) == one
        }
        panel = _ActionsPanel(drawn, cast)
        found.append(Panel(draw=panel.draw_steps, title=" · ".join(place), alike=str(place)))
        found.append(Panel(draw=panel.draw_dimensions, alike=str(place)))
    return found


class _ActionsPanel:
    """The errors in one task and format."""

    def __init__(self, rows: Mapping[Series, ActionError], cast: Cast) -> None:
        self._rows, self._cast = rows, cast

    def draw_steps(self, axes: "Axes") -> None:
        """Draws the errors by step, as lines."""
        for one, row in self._rows.items():
            look = self._cast.look(*one)
            least = _LEFT * max(sum(counts) for counts in row.counts)
            found = {
                step: estimate
                for step, (estimate, counts) in enumerate(zip(row.steps, row.counts, strict=True))
                if estimate and sum(counts) >= least
            }
            if not found:
                continue
            axes.plot(
                list(found),
                [estimate.mean for estimate in found.values()],
                color=look.color,
                linestyle=look.line,
                linewidth=1.5,
                marker=look.marker if len(found) == 1 else None,
                label=self._label(one, row),
            )
            low, high = zip(*map(_bounds, found.values()), strict=True)
            axes.fill_between(list(found), low, high, color=look.color, alpha=_SHADE, linewidth=0)
        self._finish(axes, "step")

    def draw_dimensions(self, axes: "Axes") -> None:
        """Draws the errors by dimension, as points."""
        for number, (one, row) in enumerate(self._rows.items()):
            look: Look = self._cast.look(*one)
            off = _GROUP * ((number + 0.5) / len(self._rows) - 0.5)
            found = {n + off: each for n, each in enumerate(row.dimensions) if each}
            low, high = zip(*map(_bounds, found.values()), strict=True)
            axes.vlines(list(found), low, high, color=look.color, alpha=0.5, linewidth=2)
            axes.plot(
                list(found),
                [each.mean for each in found.values()],
                look.marker or "_",
                color=look.color,
                markersize=4.5,
            )
        self._finish(axes, "dimension of the action")

    def _label(self, one: Series, row: ActionError) -> str:
        name = self._cast.label(*one)
        return name if one.agent in PLAYERS else f"{name}, {Size.of(row).label}"

    def _finish(self, axes: "Axes", along: str) -> None:
        from matplotlib.ticker import MaxNLocator

        axes.set_xlabel(along)
        axes.set_ylabel("error, parts of the range")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_ylim(bottom=0)
        tidy(axes)


def _bounds(found: Estimate) -> tuple[float, float]:
    """Returns an interval, or the mean alone where there is none."""
    if found.low is None or found.high is None:
        return found.mean, found.mean
    return found.low, found.high
