"""Pictures of curves: a row of panels for each task and format, a column for each measure."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from icil.results.curves import MEASURES, Curve, Curves
from icil.results.figures import COLORS, EXPERT, RANDOM, add_legend, tidy
from icil.results.tables import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 3.9, 2.6
"""Of a panel, in inches."""
_LINES = ("-", "--", "-.", ":")
_PLAYERS = {"expert": (EXPERT, "--"), "random": (RANDOM, ":")}
_PALEST = 0.65
"""How much white there is in the line of the fewest demonstrations."""
_SHADE = 0.13
"""How opaque a band is; many on one another are paler."""
_TITLES = {
    "agreement": "chooses as the expert",
    "copies": "copies the nearest demonstration",
    "on_course": "still on the expert's course",
}


class _Look(NamedTuple):
    color: tuple[float, float, float]
    line: str


def draw_curves(curves: Curves) -> "Figure":
    """Draws agreement, copies and the share still on course against the step number.

    A line with its 95 % band for each cell: a colour for each agent and selector, the darker the
    more demonstrations. Where but one of many episodes is left, the line ends.
    """
    from matplotlib.figure import Figure

    panels: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves.rows:
        panels.setdefault((curve.task, curve.format), []).append(curve)
    looks = _looks(curves.rows)
    lines, columns = max(1, len(panels)), len(MEASURES)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * lines + 0.7), layout="constrained")
    for row, ((task, format), shown) in enumerate(panels.items()):
        for column, measure in enumerate(MEASURES):
            axes = figure.add_subplot(lines, columns, row * columns + column + 1)
            _panel(axes, shown, measure, looks)
            if row == 0:
                axes.set_title(_TITLES[measure], fontsize=10)
            if row == lines - 1:
                axes.set_xlabel("step")
            if column == 0:
                axes.set_ylabel(f"{task}\n{format}")
    add_legend(figure)
    return figure


def save_curves(curves: Curves, path: Path) -> None:
    """Writes `draw_curves` as a file of the kind that its name ends in, whole or not at all.

    The same curves give the same file. A PNG has 150 dots an inch.

    Args:
        curves: The curves.
        path: The file, `.png` or `.svg`.

    Raises:
        OSError: It cannot be written.
    """
    import matplotlib as mpl

    kind = path.suffix[1:]
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "icil"}):
        draw_curves(curves).savefig(content, format=kind, dpi=150, metadata=metadata)
    write_whole(path, content.getvalue())


def _panel(axes: "Axes", curves: Sequence[Curve], measure: str, looks: Mapping[str, _Look]) -> None:
    from matplotlib.ticker import MaxNLocator

    shade = min(_SHADE, 1 / max(1, len(curves)))
    for curve in curves:
        found = {point.step: getattr(point, measure) for point in curve.points}
        known = {
            step: estimate
            for step, estimate in found.items()
            if estimate and (curve.episodes == 1 or estimate.low is not None)
        }
        if not known:
            continue
        look, steps = looks[_label(curve)], list(known)
        axes.plot(
            steps,
            [estimate.mean for estimate in known.values()],
            color=look.color,
            linestyle=look.line,
            linewidth=1.5,
            marker="o" if len(known) == 1 else None,
            label=_label(curve),
        )
        if curve.episodes > 1:
            low = [estimate.low for estimate in known.values()]
            high = [estimate.high for estimate in known.values()]
            axes.fill_between(steps, low, high, color=look.color, alpha=shade, linewidth=0)
    axes.set_ylim(-0.03, 1.03)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)


def _label(curve: Curve) -> str:
    """Returns the name of a curve in the legend."""
    if curve.agent in _PLAYERS:
        return curve.agent
    selector = "" if curve.selector in ("", "random") else f", {curve.selector}"
    budget = curve.context_tokens
    size = str(curve.demonstrations) if budget is None else f"{budget} tokens"
    return f"{curve.agent}{selector}, {size}"


def _looks(curves: Sequence[Curve]) -> dict[str, _Look]:
    """Returns how the curves are drawn, by their labels: alike in every panel."""
    from matplotlib.colors import to_rgb

    found = {
        name: _Look(to_rgb(color), line)
        for name, (color, line) in _PLAYERS.items()
        if any(_label(curve) == name for curve in curves)
    }
    sizes: dict[tuple[str, str], dict[str, float]] = {}
    for curve in sorted(curves, key=lambda c: (c.context_tokens or 0, c.demonstrations)):
        if _label(curve) not in _PLAYERS:
            of_series = sizes.setdefault((curve.agent, curve.selector), {})
            of_series.setdefault(_label(curve), len(of_series))
    for number, key in enumerate(sorted(sizes)):
        base = to_rgb(COLORS[number % len(COLORS)])
        line = _LINES[number // len(COLORS) % len(_LINES)]
        most = max(sizes[key].values())
        for label, place in sizes[key].items():
            white = _PALEST * (1 - place / most) if most else 0.0
            red, green, blue = (part + (1 - part) * white for part in base)
            found[label] = _Look((red, green, blue), line)
    return found
