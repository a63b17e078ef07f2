"""Pictures of a leaderboard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from icil.results.leaderboard import Leaderboard, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_WIDTH, _HEIGHT = 4.2, 3.1
"""Of a panel, in inches."""
_LEGEND_LINE = 0.22
"""The height of a line of the legend, in inches."""
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Told apart by the colour-blind (Okabe and Ito 2008)."""
_MARKERS = "osD^vPX"
EXPERT, RANDOM = "#3a7d34", "#8a8a8a"
_LEVELS = ("expert", "random")
"""The players that are drawn as level lines."""


def draw_scores(leaderboard: Leaderboard) -> "Figure":
    """Draws the score against the number of demonstrations.

    A panel for each task and format, a line with its 95 % band for each agent and selector,
    and the expert's and the random player's means on the same openings as level lines. The
    axis has 0, then powers of two, evenly spaced.
    """
    from matplotlib.figure import Figure

    panels: dict[tuple[str, str], list[Row]] = {}
    for row in leaderboard.rows:
        panels.setdefault((row.task, row.format), []).append(row)
    styles = {
        # Each time round the markers move on by one, so that 49 series differ.
        series: (COLORS[i % len(COLORS)], _MARKERS[(i + i // len(COLORS)) % len(_MARKERS)])
        for i, series in enumerate(_all_series(leaderboard.rows))
    }
    columns = min(_COLUMNS, max(1, len(panels)))
    lines = -(-max(1, len(panels)) // columns)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * lines + 0.5), layout="constrained")
    for index, ((task, format), rows) in enumerate(panels.items()):
        axes = figure.add_subplot(lines, columns, index + 1)
        axes.set_title(f"{task} · {format}", fontsize=10)
        _panel(axes, rows, styles)
        if index % columns == 0:
            forced = leaderboard.experiment.get("teacher_forced")
            axes.set_ylabel("share of actions reproduced" if forced else "mean return")
        axes.set_xlabel("demonstrations")
    add_legend(figure)
    return figure


def save_scores(leaderboard: Leaderboard, path: Path) -> None:
    """Writes `draw_scores` as a PNG file, 150 dots an inch.

    Raises:
        OSError: It cannot be written.
    """
    draw_scores(leaderboard).savefig(path, dpi=150, metadata={"Software": None})


def add_legend(figure: "Figure") -> None:
    """Puts one legend below all the panels of a figure."""
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        beside = _legend_columns(list(handles), figure.get_figwidth())
        figure.set_figheight(
            figure.get_figheight() + _LEGEND_LINE * (-(-len(handles) // beside) - 1)
        )
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=beside,
            frameon=False,
        )


def tidy(axes: "Axes") -> None:
    """Gives a panel level grid lines behind what is drawn, and no frame above and to the right."""
    axes.grid(visible=True, axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


class _Series(NamedTuple):
    """A line of a panel."""

    agent: str
    selector: str

    @property
    def label(self) -> str:
        plain = self.selector in ("", "random")
        return self.agent if plain else f"{self.agent}, {self.selector}"

    def shows(self, row: Row) -> bool:
        """Whether a row is on this line; those without demonstrations are on all the agent's."""
        return row.agent == self.agent and row.selector in ("", self.selector)


def _all_series(rows: Sequence[Row]) -> list[_Series]:
    selectors: dict[str, set[str]] = {}
    for row in rows:
        if row.agent not in _LEVELS:
            selectors.setdefault(row.agent, set()).update({row.selector} - {""})
    return [
        _Series(agent, selector)
        for agent, found in sorted(selectors.items())
        for selector in sorted(found) or [""]
    ]


def _panel(axes: "Axes", rows: Sequence[Row], styles: Mapping[_Series, tuple[str, str]]) -> None:
    scored = [(row, row.score_mean) for row in rows if row.score_mean is not None]
    swept = {row.demonstrations for row, _ in scored if row.agent not in _LEVELS}
    numbers = sorted(swept) or [0]
    _level(axes, [row.expert_mean for row, _ in scored], "expert", EXPERT, "--")
    _level(axes, [row.random_mean for row, _ in scored], "random", RANDOM, ":")
    for series, (color, marker) in styles.items():
        mine = sorted(
            ((row, mean) for row, mean in scored if series.shows(row)),
            key=lambda found: found[0].demonstrations,
        )
        if not mine:
            continue
        x = [_position(row.demonstrations) for row, _ in mine]
        means = [mean for _, mean in mine]
        axes.plot(
            x, means, color=color, marker=marker, markersize=4, linewidth=1.5, label=series.label
        )
        low = [mean if row.score_ci_low is None else row.score_ci_low for row, mean in mine]
        high = [mean if row.score_ci_high is None else row.score_ci_high for row, mean in mine]
        if len(mine) == 1:
            axes.vlines(x, low, high, color=color, alpha=0.5, linewidth=3)
        axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    axes.set_xticks([_position(n) for n in numbers], [str(n) for n in numbers])
    tidy(axes)


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Returns how many labels fit side by side in a figure, its width in inches."""
    return max(1, min(len(labels), int(width / (0.5 + 0.09 * max(map(len, labels))))))


def _level(axes: "Axes", means: Sequence[float | None], label: str, color: str, style: str) -> None:
    known = [mean for mean in means if mean is not None]
    if known:
        axes.axhline(known[0], color=color, linestyle=style, linewidth=1.3, label=label)


def _position(demonstrations: int) -> float:
    """Returns the place on the axis: 0 at −1, then the logarithm to base two."""
    from math import log2

    return -1.0 if demonstrations == 0 else log2(demonstrations)
