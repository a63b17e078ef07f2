"""The tables that a run leaves in its folder.

leaderboard.csv           a row for each cell
leaderboard_overall.csv   a row for each agent and selector, over all tasks
comparisons.csv           which agents, selectors and formats are better, and how surely
wins.csv                  in how many settings
success.csv               in how many episodes the goal was met; of worlds that have one
action_errors.csv         how far actions are from the demonstrated ones; of teacher-forced runs
"""

from dataclasses import dataclass
from pathlib import Path

from icil.results.action_errors import ACTION_ERRORS, make_action_errors
from icil.results.comparisons import Comparisons, make_comparisons
from icil.results.leaderboard import Leaderboard, make_leaderboard
from icil.results.overall import Overall, make_overall
from icil.results.scored import read_scored
from icil.results.store import RunStore
from icil.results.success import SUCCESS, make_success

LEADERBOARD, OVERALL = "leaderboard.csv", "leaderboard_overall.csv"
COMPARISONS, WINS = "comparisons.csv", "wins.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What was written."""

    leaderboard: Leaderboard
    overall: Overall
    comparisons: Comparisons


def write_results(store: RunStore, folder: Path) -> Results:
    """Computes the tables of a run, finished or not, and writes them, each whole or not at all.

    Those of success and of action errors are left out where they have no rows.

    Raises:
        OSError: One cannot be written.
    """
    scored = read_scored(store)
    found = Results(
        leaderboard=make_leaderboard(scored),
        overall=make_overall(scored),
        comparisons=make_comparisons(scored),
    )
    found.leaderboard.write(folder / LEADERBOARD)
    found.overall.write(folder / OVERALL)
    found.comparisons.write(folder / COMPARISONS, wins=folder / WINS)
    for name, table in (
        (SUCCESS, make_success(store, scored)),
        (ACTION_ERRORS, make_action_errors(store)),
    ):
        if table.rows:
            table.write(folder / name)
    return found
