"""The run store, scores, leaderboards and figures."""

from icil.results.figures import draw_scores, save_scores
from icil.results.frames import cells_frame, episodes_frame, latencies_frame, open_run
from icil.results.leaderboard import COLUMNS, Leaderboard, Row, make_leaderboard
from icil.results.records import (
    Answer,
    CellRecord,
    EpisodeRecord,
    EpisodeStatus,
    Played,
    StepRecord,
    Usage,
)
from icil.results.scores import Estimate, mean_score, normalized_score
from icil.results.store import RunStore

__all__ = [
    "Answer",
    "COLUMNS",
    "CellRecord",
    "EpisodeRecord",
    "EpisodeStatus",
    "Estimate",
    "Leaderboard",
    "Played",
    "Row",
    "RunStore",
    "StepRecord",
    "Usage",
    "cells_frame",
    "draw_scores",
    "episodes_frame",
    "latencies_frame",
    "make_leaderboard",
    "mean_score",
    "normalized_score",
    "open_run",
    "save_scores",
]
