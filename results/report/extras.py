"""The tables beside the leaderboard: all tasks together, what is better than what, and hashes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from icil.results.action_errors import ACTION_ERRORS, make_action_errors
from icil.results.comparisons import KINDS, make_comparisons
from icil.results.display import (
    ACTION_ERROR,
    ACTIONS,
    OVERALL,
    SUCCESS,
    WINS,
    action_error_cells,
    comparison_fields,
    overall_cells,
    overall_heading,
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
_VECTORS = (
    "A teacher-forced score is the share of actions that are the demonstrated ones to the digit, "
    "which says next to nothing of vectors."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraTable:
    """A table of texts."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    """What is not in it, or what has to be known to read it."""
    headings: Mapping[int, str] = field(default_factory=dict)
    """What is said above some rows, by their numbers."""


def make_extras(scored: Scored) -> Iterator[ExtraTable]:
    """Yields the tables of what was scored that have rows; takes seconds."""
    overall = make_overall(scored).rows
    if overall:
        table = _table("Over all tasks", OVERALL, map(overall_cells, overall), "icil leaderboard")
        yield replace(table, headings=_headings(map(overall_heading, overall)))
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


def make_action_tables(runs: Sequence[ReportedRun]) -> Iterator[ExtraTable]:
    """Yields how far actions are from demonstrated ones, of teacher-forced runs of vectors."""
    for run in runs:
        found = make_action_errors(run.store)
        unknown = [f"Not computed for {task}: {why}." for task, why in found.unmeasured.items()]
        if found.rows or unknown:
            table = _table(
                "How far actions are from the demonstrated ones"
                + (f": {run.name}" if len(runs) > 1 else ""),
                ACTIONS,
                map(action_error_cells, found.rows),
                ACTION_ERRORS,
            )
            yield replace(
                table,
                headings=_headings(f"{row.task} · {row.format}" for row in found.rows),
                note=" ".join(filter(None, [_VECTORS, f"{ACTION_ERROR}.", table.note, *unknown])),
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


def _headings(groups: Iterable[str]) -> dict[int, str]:
    """Returns what each group of rows that follow each other is called, by its first row."""
    found = list(groups)
    return {n: name for n, name in enumerate(found) if n == 0 or found[n - 1] != name}


def _text(value: object) -> str:
    return "" if value is None else str(value)[:_HASH_SHOWN]
