"""Pictures of a run: each a function from the run's data to a matplotlib figure."""

from icil.results.figures.actions import draw_actions
from icil.results.figures.best import draw_best
from icil.results.figures.cast import Cast
from icil.results.figures.costs import draw_costs
from icil.results.figures.gallery import (
    FOLDER,
    TITLES,
    Figures,
    make_figures,
    save_curves,
    save_figures,
    save_scores,
)
from icil.results.figures.imitation import draw_curves
from icil.results.figures.rates import draw_rates
from icil.results.figures.rendering import to_png, to_svg
from icil.results.figures.replay import draw_replay, make_replays
from icil.results.figures.scores import draw_scores
from icil.results.figures.selectors import draw_selectors

__all__ = [
    "Cast",
    "FOLDER",
    "Figures",
    "TITLES",
    "draw_actions",
    "draw_best",
    "draw_costs",
    "draw_curves",
    "draw_rates",
    "draw_replay",
    "draw_scores",
    "draw_selectors",
    "make_figures",
    "make_replays",
    "save_curves",
    "save_figures",
    "save_scores",
    "to_png",
    "to_svg",
]
