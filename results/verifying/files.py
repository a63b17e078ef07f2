"""Whether the CSV files of a run folder say what its store says."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from icil.results.action_errors import ACTION_ERRORS, make_action_errors
from icil.results.comparisons import make_comparisons
from icil.results.curves import make_curves
from icil.results.gaps import make_gaps
from icil.results.leaderboard import make_leaderboard
from icil.results.overall import make_overall
from icil.results.provenance import make_provenance
from icil.results.scored import Scored, read_scored
from icil.results.store import RunStore
from icil.results.success import SUCCESS, make_success
from icil.results.verifying.faults import Fault, Findings, shortened

_CELL = ("task", "format", "agent", "selector", "demonstrations", "context_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A file that is made of the store alone."""

    make: Callable[[RunStore, Scored], str]
    """Returns what it should say."""
    keys: tuple[str, ...]
    """The columns that tell its rows apart."""
    counters: tuple[str, ...]
    """Columns that only grow while a run goes on."""
    again: str
    """The command that writes it."""
    unknown: Callable[[RunStore], frozenset[str]] = lambda _: frozenset()
    """Returns the tasks whose rows cannot be made here; neither can their episodes be played."""


_TABLES = {
    "leaderboard.csv": _Table(
        make=lambda _, scored: make_leaderboard(scored).to_csv(),
        keys=_CELL,
        counters=("episodes", "errors", "input_tokens", "output_tokens"),
        again="icil run",
    ),
    "leaderboard_overall.csv": _Table(
        make=lambda _, scored: make_overall(scored).to_csv(),
        keys=("agent", "selector", "demonstrations"),
        counters=("cells", "episodes", "errors", "input_tokens", "output_tokens"),
        again="icil run",
    ),
    "comparisons.csv": _Table(
        make=lambda _, scored: make_comparisons(scored).to_csv(),
        keys=("compared", *_CELL, "first", "second"),
        counters=("openings",),
        again="icil run",
    ),
    "wins.csv": _Table(
        make=lambda _, scored: make_comparisons(scored).wins_to_csv(),
        keys=("compared", "first", "second"),
        counters=("settings",),
        again="icil run",
    ),
    SUCCESS: _Table(
        make=lambda store, scored: make_success(store, scored).to_csv(),
        keys=_CELL,
        counters=("episodes", "calls"),
        again="icil run",
    ),
    ACTION_ERRORS: _Table(
        make=lambda store, _: make_action_errors(store).to_csv(),
        keys=(*_CELL, "dimension", "step"),
        counters=("episodes", "failed", "actions"),
        again="icil run",
        unknown=lambda store: frozenset(make_action_errors(store).unmeasured),
    ),
    "provenance.csv": _Table(
        make=lambda store, _: make_provenance(store).to_csv(),
        keys=_CELL,
        counters=("prompts", "episodes"),
        again="icil run",
    ),
    "gaps.csv": _Table(
        make=lambda store, _: make_gaps(store).to_csv(),
        keys=(*_CELL, "control"),
        counters=("openings",),
        again="icil imitation",
    ),
    "imitation.csv": _Table(
        make=lambda store, _: make_curves(store).to_csv(),
        keys=(*_CELL, "step"),
        counters=("n",),
        again="icil imitation",
    ),
}
_Row = Mapping[str, str]


def check_files(
    store: RunStore, folder: Path, *, finished: bool, doubtful: bool = False
) -> Findings:
    """Compares the CSV files of a folder with what its store says.

    Args:
        store: The store, of which `check_structure` found nothing wrong.
        folder: The run's folder.
        finished: Whether all episodes are done. The files of a run that goes on may be older
            than its store.
        doubtful: Whether the store was changed itself, so that it is not known what is right.
    """
    found = Findings()
    scored = read_scored(store)
    for path in sorted(folder.glob("*.csv")):
        table = _TABLES.get(path.name)
        if table is None:
            found.unchecked.append(f"{path.name}: no table that can be made of the store")
            continue
        try:
            text = path.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            found.faults.append(Fault(place=path.name, what=f"cannot be read: {error}"))
            continue
        right = table.make(store, scored)
        if text != right:
            unknown = table.unknown(store)
            found.unchecked += [
                f"{path.name}: the rows of {task}, which cannot be made here"
                for task in sorted(unknown)
            ]
            found.add(_compare(path.name, table, text, right, finished, unknown))
    if doubtful:
        found.faults = [
            replace(fault, what="the store, itself changed, says otherwise", right=None)
            if fault.column
            else fault
            for fault in found.faults
        ]
    return found


def _compare(
    name: str,
    table: _Table,
    text: str,
    right: str,
    finished: bool,
    unknown: frozenset[str] = frozenset(),
) -> Findings:
    """Names the fields in which a file differs from what it should say.

    Args:
        name: The file's name.
        table: What it is.
        text: What it says.
        right: What it should say.
        finished: Whether the run is.
        unknown: Tasks of which it is not known what it should say.
    """
    found = Findings()
    try:
        header, rows = _read(text)
    except csv.Error as error:
        found.faults.append(Fault(place=name, what=f"is not CSV: {error}"))
        return found
    columns, wanted = _read(right)
    if header != columns:
        odd = [*(c for c in header if c not in columns), *(c for c in columns if c not in header)]
        what = f"has other columns than it is written with: {', '.join(odd) or 'their order'}"
        found.faults.append(Fault(place=name, what=what))
        return found
    rows = [row for row in rows if row.get("task") not in unknown]
    old = 0
    for row, true in _pair(rows, wanted, table.keys):
        if row is None or true is None:
            what = "this row is missing" if row is None else "the store has no such row"
            if row is None and not finished:
                old += 1
            else:
                cell = _named(true or row or {}, table)
                found.faults.append(Fault(place=name, what=what, cell=cell))
        elif not finished and _older(row, true, table.counters):
            old += 1
        else:
            found.faults.extend(_fields(name, table, columns, row, true))
    if old:
        found.unchecked.append(
            f"{name}: {old} of its rows are older than the store, for the run has gone on since; "
            f"`{table.again}` writes it anew"
        )
    elif not found.faults and not unknown:
        what = "its rows are in another order, or its lines are written otherwise"
        found.faults.append(Fault(place=name, what=what))
    return found


def _read(text: str) -> tuple[list[str], list[_Row]]:
    """Returns the columns and the rows of a CSV file."""
    lines = list(csv.reader(io.StringIO(text), strict=True))
    header = lines[0] if lines else []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise csv.Error(f"line {number} has {len(line)} fields, not {len(header)}")
    return header, [dict(zip(header, line, strict=True)) for line in lines[1:]]


def _pair(
    rows: Sequence[_Row], wanted: Sequence[_Row], keys: Sequence[str]
) -> Iterator[tuple[_Row | None, _Row | None]]:
    """Yields the rows of a file with those that they should be, None where there is none."""
    by_key: dict[tuple[str, ...], list[_Row]] = {}
    for true in wanted:
        by_key.setdefault(_key(true, keys), []).append(true)
    left: list[_Row] = []
    for row in rows:
        same = by_key.get(_key(row, keys))
        if same:
            yield row, same.pop(0)
        else:
            left.append(row)
    missing = [true for same in by_key.values() for true in same]
    for row in left:
        # What tells the rows apart may be what was changed.
        nearest = max(missing, key=lambda true: _alike(row, true), default=None)
        if nearest is not None and _alike(row, nearest) * 2 > len(row):
            missing.remove(nearest)
            yield row, nearest
        else:
            yield row, None
    for true in missing:
        yield None, true


def _key(row: _Row, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[key] for key in keys)


def _alike(row: _Row, other: _Row) -> int:
    return sum(row[name] == other[name] for name in row)


def _older(row: _Row, true: _Row, counters: Sequence[str]) -> bool:
    """Returns whether a row is of fewer episodes than the store has by now."""
    try:
        return any(int(row[name]) < int(true[name]) for name in counters)
    except ValueError:
        return False


def _fields(
    name: str, table: _Table, columns: Sequence[str], row: _Row, true: _Row
) -> Iterator[Fault]:
    for column in columns:
        if row[column] != true[column]:
            yield Fault(
                place=name,
                what="the store says otherwise",
                cell=_named(true, table),
                column=column,
                stored=shortened(row[column]) if row[column] else "nothing",
                right=shortened(true[column]) if true[column] else "nothing",
            )


def _named(row: _Row, table: _Table) -> str:
    named = (f"step {row[key]}" if key == "step" else row[key] for key in table.keys)
    return " ".join(filter(None, named))
