"""Tables as files of the kind that their name ends in: CSV, Markdown or Parquet; and as JSON."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from icil.results.comparisons import Comparison, Comparisons
from icil.results.display import (
    BOARD,
    OVERALL,
    WINS,
    board_cells,
    board_legend,
    comparison_fields,
    overall_cells,
    published_cells,
    wins_cells,
)
from icil.results.leaderboard import COLUMNS, Leaderboard, Row
from icil.results.overall import Overall, OverallRow
from icil.results.published import PublishedRow, published
from icil.results.tables import (
    TypedTable,
    column_types,
    to_csv,
    to_markdown,
    to_parquet,
    write_whole,
)
from icil.tasks.errors import UsageError

_PUBLISHED = "published"
"""The column that names who has published a row; empty in measured ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A leaderboard, and what is shown beside it."""

    board: Leaderboard
    published: tuple[PublishedRow, ...] = ()

    @property
    def sources(self) -> list[str]:
        """Who has published what is shown beside it."""
        return sorted({row.source for row in self.published})


def with_published(board: Leaderboard) -> Shown:
    """Returns a leaderboard beside published rows of the same tasks, formats and numbers."""
    forced = bool(board.experiment.get("teacher_forced"))
    places = {(row.task, row.format) for row in board.rows}
    numbers = {(row.task, row.format, row.demonstrations) for row in board.rows}
    return Shown(
        board=board,
        published=tuple(
            row
            for row in published()
            if row.teacher_forced == forced
            and (row.task, row.format) in places
            and (
                row.demonstrations is None or (row.task, row.format, row.demonstrations) in numbers
            )
        ),
    )


def write_leaderboard(shown: Shown, path: Path) -> None:
    """Writes a leaderboard as `.csv`, `.md` or `.parquet`; what has no ending is CSV.

    Raises:
        UsageError: The name ends otherwise, or a package is missing.
        OSError: It cannot be written.
    """

    def csv() -> str:
        if not shown.published:
            return shown.board.to_csv()
        table = _board_table(shown, Leaderboard(rows=(), merged=True).columns)
        return _plain_csv(table)

    _write(
        path,
        csv,
        lambda: _board_markdown(shown),
        lambda: _board_table(shown, tuple(column_types(Row))),
        {
            "table": "leaderboard",
            "experiment": dict(shown.board.experiment),
            "notes": list(shown.board.notes),
        },
    )


def write_overall(overall: Overall, path: Path) -> None:
    """Writes an overall leaderboard; otherwise as `write_leaderboard`."""
    _write(
        path,
        overall.to_csv,
        lambda: to_markdown(OVERALL, map(overall_cells, overall.rows)),
        lambda: _table(OverallRow, overall.rows),
        {"table": "overall leaderboard"},
    )


def write_comparisons(comparisons: Comparisons, path: Path) -> None:
    """Writes comparisons; otherwise as `write_leaderboard`."""
    _write(
        path,
        comparisons.to_csv,
        lambda: _comparisons_markdown(comparisons),
        lambda: _table(Comparison, comparisons.rows),
        {"table": "comparisons"},
    )


def leaderboard_json(shown: Shown) -> dict[str, Any]:
    """Returns a leaderboard as JSON has it."""
    return {
        "leaderboard": [asdict(row) for row in shown.board.rows],
        "published": [asdict(row) for row in shown.published],
        "notes": list(shown.board.notes),
    }


def overall_json(overall: Overall) -> dict[str, Any]:
    """Returns an overall leaderboard as JSON has it."""
    return {"overall": [asdict(row) for row in overall.rows]}


def comparisons_json(comparisons: Comparisons) -> dict[str, Any]:
    """Returns comparisons as JSON has them."""
    return {
        "comparisons": [asdict(row) for row in comparisons.rows],
        "wins": [asdict(row) for row in comparisons.wins],
    }


def _write(
    path: Path,
    csv: Callable[[], str],
    markdown: Callable[[], str],
    table: Callable[[], TypedTable],
    metadata: Mapping[str, Any],
) -> None:
    kind = path.suffix.lower()
    if kind in (".csv", ""):
        write_whole(path, csv().encode())
    elif kind == ".md":
        write_whole(path, markdown().encode())
    elif kind == ".parquet":
        write_whole(path, to_parquet(table(), metadata))
    else:
        raise UsageError(f"{path} cannot be written: name a file .csv, .md or .parquet")


def _table(kind: type, rows: Iterable[Any]) -> TypedTable:
    return TypedTable(columns=column_types(kind), rows=[asdict(row) for row in rows])


def _board_table(shown: Shown, names: Sequence[str]) -> TypedTable:
    """Returns all rows; the published ones have what they have in common with the others."""
    types = column_types(Row)
    rows: list[dict[str, Any]] = [{_PUBLISHED: "", **asdict(row)} for row in shown.board.rows]
    both = column_types(PublishedRow).keys() & set(COLUMNS)
    for row in shown.published:
        found = asdict(row)
        rows.append({_PUBLISHED: row.source, **{name: found[name] for name in both}})
    columns = {**{name: types[name] for name in names}, _PUBLISHED: str}
    return TypedTable(columns=columns, rows=[{name: r.get(name) for name in columns} for r in rows])


def _plain_csv(table: TypedTable) -> str:
    return to_csv(
        list(table.columns), ([row[name] for name in table.columns] for row in table.rows)
    )


def _board_markdown(shown: Shown) -> str:
    board = shown.board
    headings = {**({"run": "left"} if board.merged else {}), **BOARD}
    pieces = []
    for (task, format, ground), rows in board.groups:
        beside = [r for r in shown.published if (r.task, r.format) == (task, format)]
        cells = [((row.run,) if board.merged else ()) + board_cells(row) for row in rows]
        cells += [(("",) if board.merged else ()) + published_cells(row) for row in beside]
        title = f"## {task} · {format}" + (f" · {ground}" if ground else "")
        pieces.append(f"{title}\n\n{to_markdown(headings, cells)}")
    told = [*board.notes, *board_legend(board.rows, shown.sources)]
    return "\n".join([*pieces, *(f"{line}\n" for line in told)])


def _comparisons_markdown(comparisons: Comparisons) -> str:
    pieces = []
    for family, group in groupby(comparisons.rows, key=lambda row: row.family):
        rows = list(group)
        columns = comparison_fields(rows)
        headings = {column.heading: column.side for column in columns}
        cells = [[column.show(row) for column in columns] for row in rows]
        pieces.append(f"## {family}\n\n{to_markdown(headings, cells)}")
    if comparisons.rows:
        pieces.append(f"## wins\n\n{to_markdown(WINS, map(wins_cells, comparisons.wins))}")
    return "\n".join(pieces)
