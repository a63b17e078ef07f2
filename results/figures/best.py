"""The best score of each agent, as bars."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from icil.results.figures.cast import Cast
from icil.results.figures.colors import INK
from icil.results.figures.levels import draw_levels, of_agents, score_label, why_empty
from icil.results.figures.panels import CHARACTER, Layout, Margins, Panel, Section, make_page, tidy
from icil.results.figures.scale import Size
from icil.results.figures.scores import cast_of, group
from icil.results.gaps import CONTROL
from icil.results.leaderboard import Leaderboard, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = 0.3
"""The height that a bar has, in inches."""
_THICK = 0.6
"""The share of it that is filled."""
_INSIDE = 2.6
"""The width of a panel without its margins, in inches."""


def draw_best(leaderboard: Leaderboard, cast: Cast | None = None) -> "Figure | None":
    """Draws each agent's best score in each task and format, the best first.

    A bar begins at 0, or at the lowest score where that is negative. It has its 95 % interval;
    beside it stands with how many demonstrations it was reached, and by which selector if not
    `random`. Cells that are finished come before others, and demonstrations as they are before
    those that a control altered.

    Args:
        leaderboard: What to draw.
        cast: How the run's agents are drawn, if it is of more than this.

    Returns:
        None where there are no agents but the reference players.
    """
    if why_no_best(leaderboard):
        return None
    cast = cast or cast_of(leaderboard)
    panels, most, said = [], 1, 0
    for place, rows in group(of_agents(leaderboard.rows)).items():
        panel = _BestPanel(rows, cast, score_label(leaderboard.experiment.get("teacher_forced")))
        panels.append(Panel(draw=panel.draw, title=place.title))
        most = max(most, len(panel.best))
        said = max(said, *(len(line) for row in panel.best for line in panel.say(row).split("\n")))
    names = max(len(cast.name(agent)) for agent in cast.agents)
    margins = Margins(left=0.2 + CHARACTER * names, right=0.25 + CHARACTER * said)
    layout = Layout(
        columns=3 if margins.left + margins.right < 2.2 else 2,
        width=margins.left + _INSIDE + margins.right,
        height=margins.top + _BAR * (most + 0.4) + margins.bottom,
        margins=margins,
    )
    return make_page([Section(panels=panels)], layout)


def why_no_best(leaderboard: Leaderboard) -> str:
    """Returns why there are no bars; empty if there are."""
    rows = of_agents(leaderboard.rows)
    if not rows:
        return "only the reference players played"
    scored = [row for row in rows if row.score_mean is not None]
    drawn = [one for row in scored for one in (row.score_mean, row.random_mean, row.expert_mean)]
    return "all scores are 0" if scored and not any(drawn) else ""


class _BestPanel:
    """The best of each agent in one task and format."""

    def __init__(self, rows: Sequence[Row], cast: Cast, label: str) -> None:
        self._rows, self._cast, self._label = rows, cast, label
        self.best = sorted(
            (
                _best([row for row in rows if row.agent == agent])
                for agent in {r.agent for r in rows}
            ),
            key=_place,
        )
        found = [score for row in self.best for score in (row.score_mean, row.random_mean)]
        self._start = min([0.0, *(score for score in found if score is not None)])

    def draw(self, axes: "Axes") -> None:
        axes.set_xlabel(self._label)
        draw_levels(axes, self._rows, upright=True)
        for place, row in enumerate(self.best):
            if row.score_mean is not None:
                self._bar(axes, place, row, row.score_mean)
            axes.text(
                1.03,
                place,
                self.say(row),
                transform=axes.get_yaxis_transform(),
                va="center",
                color=INK,
                fontsize=8.5,
            )
        axes.set_ylim(len(self.best) - 0.3, -0.7)
        names = [self._cast.name(row.agent) for row in self.best]
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        tidy(axes, "x")

    def say(self, row: Row) -> str:
        """Returns what is written beside a bar."""
        if row.score_mean is None:
            return why_empty([row]).removeprefix("no score: ")
        digits = 2 if abs(row.score_mean) < 10 else 1
        how = [f"{row.score_mean:.{digits}f}", Size.of(row).label]
        if row.selector not in ("", "random"):
            how.append(self._cast.name(row.selector))
        return ", ".join(how) + (", unfinished" if row.note else "")

    def _bar(self, axes: "Axes", place: int, row: Row, mean: float) -> None:
        color = self._cast.color(row.agent)
        width = mean - self._start
        axes.barh(place, width, left=self._start, height=_THICK, color=color, zorder=2)
        if row.score_ci_low is not None and row.score_ci_high is not None:
            axes.plot(
                [row.score_ci_low, row.score_ci_high],
                [place, place],
                color=INK,
                linewidth=1.2,
                marker="|",
                markersize=6,
                zorder=3,
            )


def _best(rows: Sequence[Row]) -> Row:
    """Returns the best row of an agent; with equal means the one that shows least."""

    def place(row: Row) -> tuple[object, ...]:
        altered, unfinished = CONTROL in row.selector, bool(row.note)
        score = row.score_mean
        return (score is None, altered, unfinished, -(score or 0.0), Size.of(row), row.selector)

    return min(rows, key=place)


def _place(row: Row) -> tuple[bool, float, str]:
    return row.score_mean is None, -(row.score_mean or 0.0), row.agent
