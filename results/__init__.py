"""The run store, scores, leaderboards, curves, gaps and figures."""

from icil.results.action_errors import ActionError, ActionErrors, make_action_errors
from icil.results.comparisons import Comparison, Comparisons, Wins, make_comparisons
from icil.results.curves import Curve, Curves, Point, make_curves
from icil.results.figures import (
    Figures,
    draw_curves,
    draw_scores,
    make_figures,
    save_curves,
    save_figures,
    save_scores,
)
from icil.results.frames import (
    cells_frame,
    episodes_frame,
    imitation_frame,
    latencies_frame,
    open_run,
)
from icil.results.gaps import Gap, Gaps, make_gaps
from icil.results.leaderboard import COLUMNS, Leaderboard, Row, make_leaderboard
from icil.results.overall import Overall, OverallRow, make_overall
from icil.results.profiles import Profile, profiles
from icil.results.provenance import Origin, Provenance, make_provenance
from icil.results.published import PublishedRow, published
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
from icil.results.run import PromptPart, Run, StoredPrompt, load
from icil.results.scored import Scored, ScoredCell, read_scored
from icil.results.scores import (
    Estimate,
    mean_score,
    normalized_score,
    pooled_shares,
    score_gap,
)
from icil.results.store import RunStore
from icil.results.success import Success, Successes, make_success
from icil.results.writing import Results, write_results

__all__ = [
    "ActionError",
    "ActionErrors",
    "Answer",
    "COLUMNS",
    "CellRecord",
    "Comparison",
    "Comparisons",
    "Curve",
    "Curves",
    "EpisodeRecord",
    "EpisodeStatus",
    "Estimate",
    "Figures",
    "Gap",
    "Gaps",
    "Imitation",
    "Leaderboard",
    "Origin",
    "Overall",
    "OverallRow",
    "Played",
    "Point",
    "Profile",
    "PromptPart",
    "Provenance",
    "PublishedRow",
    "Results",
    "Row",
    "Run",
    "RunStore",
    "Scored",
    "ScoredCell",
    "StepRecord",
    "StoredPrompt",
    "Success",
    "Successes",
    "Usage",
    "Wins",
    "cells_frame",
    "draw_curves",
    "draw_scores",
    "episodes_frame",
    "imitation_frame",
    "latencies_frame",
    "load",
    "make_action_errors",
    "make_comparisons",
    "make_curves",
    "make_figures",
    "make_gaps",
    "make_leaderboard",
    "make_overall",
    "make_provenance",
    "make_success",
    "mean_score",
    "normalized_score",
    "open_run",
    "pooled_shares",
    "profiles",
    "published",
    "read_scored",
    "save_curves",
    "save_figures",
    "save_scores",
    "score_gap",
    "write_results",
]
