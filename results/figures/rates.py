"""How often agents answered wrongly, and how."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from icil.results.figures.cast import Cast
from icil.results.figures.colors import INK, tint
from icil.results.figures.levels import of_agents
from icil.results.figures.panels import Layout, Panel, Section, make_page, part, say, split, tidy
from icil.results.figures.scale import Size, set_ticks
from icil.results.figures.scores import cast_of, group
from icil.results.gaps import CONTROL
from icil.results.leaderboard import Leaderboard, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = {"illegal": 0.0, "invalid": 0.45, "empty": 1.0}
"""What can be wrong, from the bottom of a bar to its top, with how much white is in its colour."""
_LAYOUT = Layout()
_INSIDE = _LAYOUT.width - _LAYOUT.margins.left - _LAYOUT.margins.right
_GROUP = 0.82
"""How wide the bars of one number of demonstrations are together, on an axis of such numbers."""
_FILLED = 0.92
"""The share of a bar's width that is filled."""
_LEAST = 0.05
"""The least height of a y axis."""


class _Rates(NamedTuple):
    illegal: float
    invalid: float
    empty: float


class _Box(NamedTuple):
    left: float
    right: float
    low: float
    high: float


def draw_rates(leaderboard: Leaderboard, cast: Cast | None = None) -> "Figure | None":
    """Draws the share of steps with an illegal, invalid or empty reply, stacked.

    A panel for each task and format, a bar for each agent and number of demonstrations (or
    budget). Its selectors are taken together, weighted by their steps, without those whose
    demonstrations a control altered.

    Args:
        leaderboard: What to draw.
        cast: How the run's agents are drawn, if it is of more than this.

    Returns:
        None where nothing was wrong.
    """
    if why_no_rates(leaderboard):
        return None
    cast = cast or cast_of(leaderboard)
    rows = _counted(leaderboard)
    several = len({row.selector for row in rows} - {""}) > 1
    parts = split([agent for agent in cast.agents if any(row.agent == agent for row in rows)])
    sections = [
        Section(
            panels=[
                Panel(
                    draw=_RatesPanel(found, cast, agents).draw,
                    title=place.title,
                    alike=place.task,
                )
                for place, found in group(rows).items()
            ],
            heading=part(number, len(parts)),
        )
        for number, agents in enumerate(parts)
    ]
    remark = "All selectors of an agent together." if several else ""
    return make_page(sections, Layout(remark=remark))


def why_no_rates(leaderboard: Leaderboard) -> str:
    """Returns why there is no picture of what was wrong; empty if there is one."""
    rows = _counted(leaderboard)
    if not rows:
        return "no agent has played an episode to its end"
    wrong = any(sum(_rates([row])) > 0 for row in rows)
    return "" if wrong else "no reply was illegal, invalid or empty"


def _counted(leaderboard: Leaderboard) -> list[Row]:
    rows = [row for row in of_agents(leaderboard.rows) if row.steps_mean is not None]
    return [row for row in rows if CONTROL not in row.selector]


def _rates(rows: Sequence[Row]) -> _Rates:
    """Returns the rates of rows taken together."""
    steps = [row.episodes * (row.steps_mean or 0.0) for row in rows]
    wrong = [
        sum(n * (getattr(row, f"{kind}_rate") or 0.0) for n, row in zip(steps, rows, strict=True))
        for kind in KINDS
    ]
    return _Rates(*(count / (sum(steps) or 1.0) for count in wrong))


class _RatesPanel:
    """What was wrong in one task and format."""

    def __init__(self, rows: Sequence[Row], cast: Cast, agents: Sequence[str]) -> None:
        self._cast = cast
        self._agents = [a for a in agents if any(row.agent == a for row in rows)]
        sizes = sorted({Size.of(row) for row in rows})
        self._places: Mapping[Size, int] = {size: place for place, size in enumerate(sizes)}
        self._found = {
            (agent, size): _rates(shown)
            for agent in self._agents
            for size in sizes
            if (shown := [row for row in rows if row.agent == agent and Size.of(row) == size])
        }

    def draw(self, axes: "Axes") -> None:
        from matplotlib.ticker import PercentFormatter

        budgets = any(size.tokens for size in self._places)
        axes.set_xlabel("demonstrations, or tokens filled" if budgets else "demonstrations")
        axes.set_ylabel("share of steps")
        for number, agent in enumerate(self._agents):
            self._bars(axes, number, agent)
        if not self._agents:
            say(axes, "none of these agents played")
        ticks = {float(place): size.tick for size, place in self._places.items()}
        set_ticks(axes, ticks, _INSIDE)
        axes.set_xlim(-0.5, len(self._places) - 0.5)
        highest = max((sum(rates) for rates in self._found.values()), default=0.0)
        if self._agents and not highest:
            say(axes, "nothing was wrong")
        axes.set_ylim(0, max(_LEAST, 1.04 * highest))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        tidy(axes)

    def _bars(self, axes: "Axes", number: int, agent: str) -> None:
        color = self._cast.color(agent)
        width = _GROUP / len(self._agents)
        found = {
            place - _GROUP / 2 + (number + 0.5) * width: self._found[agent, size]
            for size, place in self._places.items()
            if (agent, size) in self._found
        }
        below = dict.fromkeys(found, 0.0)
        for kind, white in KINDS.items():
            heights = {x: getattr(rates, kind) for x, rates in found.items()}
            boxes = [
                _Box(x - _FILLED * width / 2, x + _FILLED * width / 2, below[x], below[x] + height)
                for x, height in heights.items()
                if height
            ]
            _add_boxes(axes, boxes, color, white, "" if white else self._cast.name(agent))
            below = {x: low + heights[x] for x, low in below.items()}
        if number == len(self._agents) - 1:
            for kind, white in KINDS.items():
                _add_boxes(axes, [], INK, white, kind)


def _add_boxes(axes: "Axes", boxes: Iterable[_Box], color: str, white: float, label: str) -> None:
    """Draws boxes as one shape: hundreds of shapes would make a large file."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [
        ((left, low), (left, high), (right, high), (right, low), (left, low))
        for left, right, low, high in boxes
    ]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(corners)
    vertices = np.array(corners, np.float64).reshape(-1, 2)
    axes.add_patch(
        PathPatch(
            Path(vertices, codes),
            facecolor=tint(color, white),
            edgecolor=color,
            linewidth=0.6,
            label=label,
        )
    )
