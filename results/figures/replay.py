"""How exactly demonstrated episodes are reproduced, step by step, in teacher-forced runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from icil.results.figures.cast import PLAYERS, Cast
from icil.results.figures.colors import SHARES
from icil.results.figures.panels import CHARACTER, Layout, Margins, Panel, Section, make_page
from icil.results.figures.scale import Size
from icil.results.frames import cells_frame
from icil.results.scored import budget
from icil.results.statistics import Floats
from icil.results.store import RunStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.21
"""The height of a cell's row, in inches."""
_STEP = 0.16
"""The width of a step, in inches, as far as there is room."""
_NARROWEST, _WIDEST = 2.4, 6.0
"""Of a panel without its margins, in inches."""
_KEYS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The shares whose colours are in the legend."""
_REPRODUCED = """
SELECT e.cell, s.step, SUM(s.agrees), COUNT(s.agrees)
FROM steps s JOIN episodes e ON e.id = s.episode AND e.attempt = s.attempt
WHERE e.status = 'done' AND s.agrees IS NOT NULL
GROUP BY e.cell, s.step
ORDER BY e.cell, s.step
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How exactly a cell reproduces the episodes that are played again."""

    task: str
    format: str
    agent: str
    selector: str
    size: Size
    shares: Floats
    """The share of actions reproduced at each step, NaN where no episode has it."""
    whole: float
    """Over all steps."""


def make_replays(store: RunStore) -> tuple[Replay, ...]:
    """Computes how exactly a teacher-forced run reproduced; of other runs, nothing.

    An agent that looks at no observation stands beside the others in each format.
    """
    meta = store.meta()
    if not meta["experiment"].get("teacher_forced"):
        return ()
    formats: Mapping[str, list[str]] = meta["formats"]
    steps: dict[int, dict[int, tuple[int, int]]] = {}
    for cell, step, agreed, known in store.rows(_REPRODUCED)[1]:
        steps.setdefault(cell, {})[step] = (agreed, known)
    found: list[Replay] = []
    for _, cell in cells_frame(store).iterrows():
        if not (counts := steps.get(int(cell["cell"]))) or not cell["asked"]:
            continue
        shares = np.full(max(counts) + 1, np.nan)
        for step, (agreed, known) in counts.items():
            shares[step] = agreed / known
        task, format = str(cell["task"]), str(cell["format"])
        tokens = budget(cell)
        found.extend(
            Replay(
                task=task,
                format=one,
                agent=str(cell["agent"]),
                selector=str(cell["selector"]),
                size=Size(tokens or 0, 0 if tokens else int(cell["demonstrations"])),
                shares=shares,
                whole=sum(a for a, _ in counts.values()) / sum(n for _, n in counts.values()),
            )
            for one in ([format] if format else formats[task])
        )
    return tuple(sorted(found, key=_place))


def draw_replay(replays: Sequence[Replay], cast: Cast | None = None) -> "Figure | None":
    """Draws the share of actions reproduced at each step, as colour, a row for each cell.

    The number beside a row is the share over all steps. Where a row ends, no episode was longer.

    Args:
        replays: What to draw.
        cast: How the run's agents are called, if it is of more than these.

    Returns:
        None where there is nothing to draw.
    """
    if not replays:
        return None
    cast = cast or Cast((one.agent, one.selector) for one in replays)
    groups: dict[tuple[str, str], list[Replay]] = {}
    for one in replays:
        groups.setdefault((one.task, one.format), []).append(one)
    panels = [
        Panel(draw=_ReplayPanel(found, cast).draw, title=f"{task} · {format}")
        for (task, format), found in groups.items()
    ]
    steps = max(len(one.shares) for one in replays)
    inside = min(_WIDEST, max(_NARROWEST, _STEP * steps))
    names = max(len(_label(one, cast)) for one in replays)
    margins = Margins(left=0.25 + CHARACTER * names, right=0.6)
    layout = Layout(
        columns=3 if margins.left + inside < 5 else 2,
        width=margins.left + inside + margins.right,
        height=margins.top + _ROW * max(map(len, groups.values())) + margins.bottom,
        margins=margins,
    )
    return make_page([Section(panels=panels)], layout)


def why_no_replay(forced: bool, replays: Sequence[Replay]) -> str:
    """Returns why there is no picture of replay; empty if there is one."""
    if not forced:
        return "the run is not teacher-forced"
    return "" if replays else "no episode is finished"


class _ReplayPanel:
    """The cells of one task and format."""

    def __init__(self, replays: Sequence[Replay], cast: Cast) -> None:
        self._replays, self._cast = replays, cast

    def draw(self, axes: "Axes") -> None:
        import matplotlib as mpl
        from matplotlib.ticker import MaxNLocator

        colors = mpl.colormaps[SHARES]
        grid = np.full((len(self._replays), max(len(one.shares) for one in self._replays)), np.nan)
        for place, one in enumerate(self._replays):
            grid[place, : len(one.shares)] = one.shares
            axes.text(
                1.02,
                place,
                f"{one.whole:.2f}",
                transform=axes.get_yaxis_transform(),
                va="center",
                fontsize=8.5,
            )
        axes.imshow(grid, aspect="auto", cmap=colors, vmin=0, vmax=1, interpolation="none")
        labels = [_label(one, self._cast) for one in self._replays]
        axes.set_yticks(range(len(labels)), labels)
        for tick, one in zip(axes.get_yticklabels(), self._replays, strict=True):
            tick.set_color(self._cast.color(one.agent))
        axes.hlines(
            np.arange(1, len(labels)) - 0.5, -0.5, grid.shape[1] - 0.5, color="white", linewidth=1
        )
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(axis="y", length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        for share in _KEYS:
            label = f"{share:.0%}" + (" of actions reproduced" if share == 1 else "")
            axes.plot([], [], "s", color=colors(share), markersize=8, label=label)


def _label(replay: Replay, cast: Cast) -> str:
    if replay.agent in PLAYERS:
        return cast.name(replay.agent)
    return f"{cast.label(replay.agent, replay.selector)}, {replay.size.label}"


def _place(replay: Replay) -> tuple[object, ...]:
    return (
        replay.task,
        replay.format,
        replay.agent in PLAYERS,
        replay.agent,
        replay.selector not in ("", "random"),
        "" if replay.selector == "random" else replay.selector,
        replay.size,
    )
