"""All the pictures of a run, made from its store and kept as files beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from icil.results.action_errors import ActionErrors, make_action_errors
from icil.results.comparisons import Comparisons, make_comparisons
from icil.results.curves import Curves, make_curves
from icil.results.figures.actions import draw_actions, why_no_actions
from icil.results.figures.best import draw_best, why_no_best
from icil.results.figures.cast import Cast
from icil.results.figures.costs import draw_costs, why_no_costs
from icil.results.figures.imitation import draw_curves, why_no_curves
from icil.results.figures.rates import draw_rates, why_no_rates
from icil.results.figures.rendering import to_png, to_svg
from icil.results.figures.replay import Replay, draw_replay, make_replays, why_no_replay
from icil.results.figures.scores import draw_scores
from icil.results.figures.selectors import draw_selectors, why_no_selectors
from icil.results.leaderboard import Leaderboard, make_leaderboard
from icil.results.scored import read_scored
from icil.results.store import RunStore
from icil.results.tables import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "figures"
"""Within the run's folder."""
TITLES = {
    "scores": "Score against the number of demonstrations",
    "best": "The best score of each agent",
    "selectors": "Selectors side by side, and their gaps to random",
    "rates": "How often replies were illegal, invalid or empty",
    "costs": "What a score costs",
    "actions": "How far actions are from the demonstrated ones, by step and by dimension",
    "replay": "How exactly demonstrated episodes are reproduced, step by step",
    "imitation": "How agents imitate, step by step",
}
"""What the pictures show, by their names, in the order in which they are read."""
_ALL_OFF = "no action is the demonstrated one to the digit; the action errors say how far they are"


class Figures(dict[str, "Figure"]):
    """The pictures of a run by their names, in the order of `TITLES`."""

    missing: Mapping[str, str]
    """Those that were not made, for there is nothing to show, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the pictures of a run are drawn from."""

    leaderboard: Leaderboard
    cast: Cast
    curves: Curves
    comparisons: Comparisons
    replays: tuple[Replay, ...]
    errors: ActionErrors
    forced: bool

    @property
    def why_no_scores(self) -> str:
        """Why pictures of a teacher-forced run's scores say nothing; empty where they do."""
        said = any(row.score_mean for row in self.leaderboard.rows)
        return _ALL_OFF if self.errors.rows and not said else ""


def make_figures(store: RunStore, *, curves: Curves | None = None) -> Figures:
    """Draws all the pictures of a run, finished or not, that have something to show.

    An agent has the same name and colour in all of them. Those that have nothing to show are
    not made: `Figures.missing` says why.

    Args:
        store: The run.
        curves: Its curves, if they are known: they take the longest.
    """
    scored = read_scored(store)
    leaderboard = make_leaderboard(scored)
    curves = make_curves(store) if curves is None else curves
    compared = not why_no_selectors(leaderboard)
    run = _Run(
        leaderboard=leaderboard,
        cast=Cast(
            [
                *((row.agent, row.selector) for row in leaderboard.rows),
                *((curve.agent, curve.selector) for curve in curves.rows),
            ]
        ),
        curves=curves,
        comparisons=make_comparisons(scored, ("selectors",) if compared else ()),
        replays=make_replays(store),
        errors=make_action_errors(store),
        forced=bool(leaderboard.experiment.get("teacher_forced")),
    )
    figures = Figures()
    missing: dict[str, str] = {}
    for name in TITLES:
        if reason := _REASONS[name](run):
            missing[name] = reason
        elif figure := _DRAW[name](run):
            figures[name] = figure
    figures.missing = missing
    return figures


def save_figures(
    store: RunStore, folder: Path, *, curves: Curves | None = None
) -> tuple[Path, ...]:
    """Writes all the pictures of a run as PNG and SVG, all of them or none.

    They stand in `figures/`; a picture of an earlier state of the run that has nothing to show
    any more is removed. The same run gives the same files.

    Args:
        store: The run.
        folder: The run's folder.
        curves: Its curves, if they are known: they take the longest.

    Returns:
        The files.

    Raises:
        OSError: They cannot be written; those that were there before still are.
    """
    contents: dict[str, bytes] = {}
    for name, figure in make_figures(store, curves=curves).items():
        contents[f"{name}.png"] = to_png(figure)
        contents[f"{name}.svg"] = to_svg(figure, name, TITLES[name]).encode()
    within = folder / FOLDER
    within.mkdir(exist_ok=True)
    _replace_all(within, contents)
    for name in TITLES:
        for kind in ("png", "svg"):
            if f"{name}.{kind}" not in contents:
                (within / f"{name}.{kind}").unlink(missing_ok=True)
    return tuple(within / name for name in contents)


def save_scores(leaderboard: Leaderboard, path: Path) -> None:
    """Writes `draw_scores` as a file of the kind that its name ends in, whole or not at all.

    Args:
        leaderboard: What to draw.
        path: The file, `.png` or `.svg`.

    Raises:
        OSError: It cannot be written.
    """
    _save(draw_scores(leaderboard), path)


def save_curves(curves: Curves, path: Path) -> None:
    """Writes `draw_curves` as a file of the kind that its name ends in, whole or not at all.

    Args:
        curves: What to draw.
        path: The file, `.png` or `.svg`.

    Raises:
        OSError: It cannot be written.
    """
    _save(draw_curves(curves), path)


def _save(figure: "Figure", path: Path) -> None:
    svg = path.suffix == ".svg"
    write_whole(path, to_svg(figure, path.stem).encode() if svg else to_png(figure))


def _replace_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Writes files in place of those that are there, once all of them are on the disk."""
    making = {folder / f"{name}.new": folder / name for name in contents}
    try:
        for new, content in zip(making, contents.values(), strict=True):
            new.write_bytes(content)
        for new, path in making.items():
            new.replace(path)
    finally:
        for new in making:
            new.unlink(missing_ok=True)


_DRAW: Mapping[str, Callable[[_Run], "Figure | None"]] = {
    "scores": lambda run: draw_scores(run.leaderboard, run.cast),
    "best": lambda run: draw_best(run.leaderboard, run.cast),
    "selectors": lambda run: draw_selectors(run.leaderboard, run.comparisons, run.cast),
    "rates": lambda run: draw_rates(run.leaderboard, run.cast),
    "costs": lambda run: draw_costs(run.leaderboard, run.cast),
    "actions": lambda run: draw_actions(run.errors, run.cast),
    "replay": lambda run: draw_replay(run.replays, run.cast),
    "imitation": lambda run: draw_curves(run.curves, run.cast),
}
_REASONS: Mapping[str, Callable[[_Run], str]] = {
    "scores": lambda run: run.why_no_scores if run.leaderboard.rows else "there are no cells",
    "best": lambda run: why_no_best(run.leaderboard),
    "selectors": lambda run: why_no_selectors(run.leaderboard),
    "rates": lambda run: why_no_rates(run.leaderboard),
    "costs": lambda run: why_no_costs(run.leaderboard),
    "actions": lambda run: why_no_actions(run.errors),
    "replay": lambda run: why_no_replay(run.forced, run.replays) or run.why_no_scores,
    "imitation": lambda run: why_no_curves(run.curves),
}
