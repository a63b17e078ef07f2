"""The run store, scores, leaderboards, curves, gaps and figures."""

from icil.results.curve_figures import draw_curves, save_curves
from icil.results.curves import Curve, Curves, Point, make_curves
from icil.results.figures import draw_scores, save_scores
from icil.results.frames import (
    cells_frame,
    episodes_frame,
    imitation_frame,
    latencies_frame,
    open_run,
)
from icil.results.gaps import Gap, Gaps, make_gaps
from icil.results.leaderboard import COLUMNS, Leaderboard, Row, make_leaderboard
from icil.results.records import (
    Answer,
    CellRecord,
    EpisodeRecord,
    EpisodeStatus,
    Imitation,
    Played,
    StepRecord,
    Usage,
)
from icil.results.scores import (
    Estimate,
    mean_score,
    normalized_score,
    pooled_shares,
    score_gap,
)
from icil.results.store import RunStore

__all__ = [
    "Answer",
    "COLUMNS",
    "CellRecord",
    "Curve",
    "Curves",
    "EpisodeRecord",
    "EpisodeStatus",
    "Estimate",
    "Gap",
    "Gaps",
    "Imitation",
    "Leaderboard",
    "Played",
    "Point",
    "Row",
    "RunStore",
    "StepRecord",
    "Usage",
    "cells_frame",
    "draw_curves",
    "draw_scores",
    "episodes_frame",
    "imitation_frame",
    "latencies_frame",
    "make_curves",
    "make_gaps",
    "make_leaderboard",
    "mean_score",
    "normalized_score",
    "open_run",
    "pooled_shares",
    "save_curves",
    "save_scores",
    "score_gap",
]
