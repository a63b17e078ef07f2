"""The reference players as level lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from icil.results.figures.cast import PLAYERS
from icil.results.figures.colors import EXPERT, RANDOM
from icil.results.leaderboard import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 1.3


def draw_levels(
    axes: "Axes", rows: Sequence[Row], *, upright: bool = False, random: str = "random"
) -> None:
    """Draws the expert's and the random player's means on the openings of the rows.

    Rows may have played different openings; those of the row with the most are taken.

    Args:
        axes: Where.
        rows: Of one task and format.
        upright: Whether scores run from left to right.
        random: What the random player is called.
    """
    scored = sorted((row for row in rows if row.score_mean is not None), key=lambda r: -r.episodes)
    line = axes.axvline if upright else axes.axhline
    expert = next((row.expert_mean for row in scored if row.expert_mean is not None), None)
    lowest = next((row.random_mean for row in scored if row.random_mean is not None), None)
    if expert is not None:
        line(expert, color=EXPERT, linestyle="--", linewidth=_WIDTH, label="expert")
    if lowest is not None:
        line(lowest, color=RANDOM, linestyle=":", linewidth=_WIDTH, label=random)


def of_agents(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows of all but the reference players."""
    return [row for row in rows if row.agent not in PLAYERS]


def why_empty(rows: Sequence[Row]) -> str:
    """Returns why rows have no score; empty where one has."""
    if not rows or any(row.score_mean is not None for row in rows):
        return ""
    errors = sum(row.errors for row in rows)
    if errors:
        return f"no score: {errors} episode{'s' * (errors > 1)} in error"
    if any(row.note == "overlong" for row in rows):
        return "no score: the prompts are too long for their models"
    return "no score yet: no episode is finished"


def score_label(forced: object) -> str:
    """Returns what a score is called; of a teacher-forced run it is something else."""
    return "share of actions reproduced" if forced else "mean return"
