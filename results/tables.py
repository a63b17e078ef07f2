"""Tables as files: a header, then a row for each thing measured; what was not measured is empty.

CSV and Markdown for people, Parquet for data sets: typed columns, and what is to be known of them
in the file's metadata.
"""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Generic, TypeVar, get_args

from icil.tasks.errors import UsageError

Row = TypeVar("Row")


class CsvTable(ABC):
    """What is kept as a CSV file."""

    __slots__ = ()

    @abstractmethod
    def to_csv(self) -> str:
        """Returns it as CSV, numbers with up to six significant digits."""

    def write(self, path: Path) -> None:
        """Writes the CSV file, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        write_whole(path, self.to_csv().encode())


@dataclass(frozen=True)
class Rows(CsvTable, Generic[Row]):
    """A table whose rows are dataclasses of one kind: their fields are its columns."""

    kind: ClassVar[type]
    rows: tuple[Row, ...]

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Returns the columns' names, in their order."""
        return tuple(field.name for field in fields(cls.kind))

    def to_csv(self) -> str:
        """Returns the rows as CSV, numbers with up to six significant digits."""
        names = self.columns()
        return to_csv(names, ([getattr(row, name) for name in names] for row in self.rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedTable:
    """Rows with typed columns."""

    columns: Mapping[str, type]
    """By name: `int`, `float`, `bool` or `str`; any value may be None."""
    rows: Sequence[Mapping[str, Any]]


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns rows as CSV, None as an empty field, floats with up to six significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_field(value) for value in row])
    return text.getvalue()


def to_markdown(headings: Mapping[str, str], rows: Iterable[Sequence[str]]) -> str:
    """Returns rows as a Markdown table.

    Args:
        headings: The columns, with `left` or `right`: how they are aligned.
        rows: Their cells.
    """
    lines = [
        list(headings),
        ["---:" if side == "right" else "---" for side in headings.values()],
        *([cell.replace("|", "\\|") for cell in row] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_parquet(table: TypedTable, metadata: Mapping[str, Any]) -> bytes:
    """Returns rows as a Parquet file.

    Args:
        table: The rows.
        metadata: Goes into the file's schema under `icil`, as JSON.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise UsageError("Parquet takes a package more: pip install 'icil[parquet]'") from error
    types = {bool: arrow.bool_(), int: arrow.int64(), float: arrow.float64(), str: arrow.string()}
    schema = arrow.schema(
        [arrow.field(name, types[kind]) for name, kind in table.columns.items()],
        metadata={"icil": json.dumps(metadata, ensure_ascii=False, sort_keys=True)},
    )
    content = io.BytesIO()
    rows = [dict(row) for row in table.rows]
    parquet.write_table(arrow.Table.from_pylist(rows, schema), content)
    return content.getvalue()


def column_types(kind: type) -> dict[str, type]:
    """Returns the types of a dataclass's fields, as `TypedTable` has them."""
    return {field.name: _plain(field.type) for field in fields(kind)}


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all, in place of what stands there.

    Raises:
        OSError: It cannot be written.
    """
    making = path.with_name(path.name + ".new")
    try:
        making.write_bytes(content)
        making.replace(path)
    except OSError:  # a full disk is not left fuller
        with suppress(OSError):
            making.unlink(missing_ok=True)
        raise


def _plain(annotation: Any) -> type:
    """Returns the type of what is not None; that of all other things is text."""
    kinds = set(get_args(annotation)) - {NoneType} or {annotation}
    return next((kind for kind in (bool, int, float) if kind in kinds), str)


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
