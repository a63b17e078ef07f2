"""The tables beside the leaderboard: all tasks together, what is better than what, and hashes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from icil.results.comparisons import KINDS, make_comparisons
from icil.results.display import (
    OVERALL,
    SUCCESS,
    WINS,
    comparison_fields,
    overall_cells,
    success_cells,
    wins_cells,
)
from icil.results.overall import make_overall
from icil.results.provenance import make_provenance
from icil.results.report.runs import ReportedRun
from icil.results.scored import Scored
from icil.results.success import make_success

_ROWS = 300
"""Of a table that stands in full in a file of its own."""
_HASH_SHOWN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraTable:
    """A table of texts."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    """What is not in it."""


def make_extras(scored: Scored) -> Iterator[ExtraTable]:
    """Yields the tables of what was scored that have rows; takes seconds."""
    overall = make_overall(scored).rows
    if overall:
        yield _table("Over all tasks", OVERALL, map(overall_cells, overall), "icil leaderboard")
    comparisons = make_comparisons(scored)
    for kind in KINDS:
        wins = [wins_cells(one) for one in comparisons.wins if one.compared == kind]
        if wins:
            yield _table(f"Which {kind} win, over all settings", WINS, wins, "wins.csv")
        rows = [one for one in comparisons.rows if one.compared == kind]
        if rows:
            shown = comparison_fields(rows)
            yield _table(
                f"Which {kind} are better, and how surely",
                ["where", *(field.heading for field in shown)],
                ([one.family, *(field.show(one) for field in shown)] for one in rows),
                "comparisons.csv",
            )


def make_successes(runs: Sequence[ReportedRun]) -> Iterator[ExtraTable]:
    """Yields in how many episodes of each run the goal was met; nothing of runs without goals."""
    for run in runs:
        rows = make_success(run.store).rows
        if rows:
            yield _table(
                "In how many episodes the goal was met (at any step; at the last), and how long "
                "calls took" + (f": {run.name}" if len(runs) > 1 else ""),
                ["task", "format", *SUCCESS],
                ([row.task, row.format, *success_cells(row)] for row in rows),
                "success.csv",
            )


def make_origins(run: ReportedRun) -> ExtraTable:
    """Returns the hashes of what each row of a run's leaderboard came from."""
    columns = ("task", "format", "agent", "selector", "demonstrations", "pool", "pool_hash")
    hashes = ("prompts", "prompts_hash", "episodes", "episodes_hash", "cell_hash")
    names = (*columns, *hashes)
    return _table(
        f"{run.name}: what each row came from",
        [name.replace("_", " ") for name in names],
        ([_text(getattr(row, name)) for name in names] for row in make_provenance(run.store).rows),
        "provenance.csv",
    )


def _table(
    title: str, columns: Iterable[str], rows: Iterable[Sequence[str]], whole: str
) -> ExtraTable:
    found = list(rows)
    note = f"The first {_ROWS} of {len(found):,} rows; {whole} has all."
    note = note if len(found) > _ROWS else ""
    return ExtraTable(title=title, columns=list(columns), rows=found[:_ROWS], note=note)


def _text(value: object) -> str:
    return "" if value is None else str(value)[:_HASH_SHOWN]
