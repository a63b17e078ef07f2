"""CSV files: a header, then a row for each thing measured; what was not measured is empty."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns rows as CSV, None as an empty field, floats with up to six significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_field(value) for value in row])
    return text.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all, in place of what stands there.

    Raises:
        OSError: It cannot be written.
    """
    making = path.with_name(path.name + ".new")
    making.write_bytes(content)
    making.replace(path)


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
