"""Tables as files."""

import json
import sys

import pytest

from icil.results import Row
from icil.results.exports import write_overall
from icil.results.overall import Overall
from icil.results.tables import TypedTable, column_types, to_markdown, to_parquet, write_whole
from icil.tasks import UsageError

TABLE = TypedTable(
    columns={"n": int, "share": float, "done": bool, "name": str},
    rows=[
        {"n": 1, "share": 0.5, "done": True, "name": "ä"},
        {"n": None, "share": None, "done": None, "name": None},
    ],
)


def test_parquet_keeps_types_values_and_metadata(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "table.parquet"
    path.write_bytes(to_parquet(TABLE, {"of": "ä"}))
    found = parquet.read_table(path)
    assert found.to_pylist() == TABLE.rows
    assert [str(kind) for kind in found.schema.types] == ["int64", "double", "bool", "string"]
    assert json.loads(found.schema.metadata[b"icil"]) == {"of": "ä"}
    assert to_parquet(TABLE, {"of": "ä"}) == path.read_bytes()


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'icil\[parquet\]'"):
        to_parquet(TABLE, {})


def test_types_are_those_of_the_fields():
    types = column_types(Row)
    assert (types["rank"], types["score_mean"], types["tied"]) == (int, float, bool)
    assert (types["agent"], types["drawn"]) == (str, str)


def test_markdown_is_aligned_and_escaped():
    table = to_markdown({"a": "left", "b": "right"}, [("x|y", "1")])
    assert table == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n"


def test_another_kind_of_file_is_refused_and_nothing_is_made(tmp_path):
    with pytest.raises(UsageError, match=r"name a file \.csv, \.md or \.parquet"):
        write_overall(Overall(()), tmp_path / "x.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(OSError, match="table"):
        write_whole(tmp_path / "table.csv", b"a,b")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
