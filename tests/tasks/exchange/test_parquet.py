"""Parquet: a table that others can read, with the observations if they are asked for."""

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from icil.tasks import PoolError, UnknownNameError, UsageError, load_pool_for, make, render
from icil.tasks.exchange import export_pool

pandas = pytest.importorskip("pandas")
parquet = pytest.importorskip("pyarrow.parquet")

TASK = make("tic_tac_toe")
POOL = load_pool_for(TASK)
FEW = replace(POOL, demonstrations=POOL.demonstrations[:5])


def test_each_row_is_a_step(tmp_path):
    export_pool(POOL, TASK, "parquet", tmp_path / "pool.parquet")
    table = pandas.read_parquet(tmp_path / "pool.parquet")
    steps = [(d, n, s) for d in POOL.demonstrations for n, s in enumerate(d.steps)]
    assert len(table) == len(steps)
    for row, (demonstration, number, step) in zip(table.itertuples(), steps, strict=True):
        assert (row.demonstration, row.opening) == (demonstration.id, demonstration.opening.index)
        assert json.loads(row.opening_state) == demonstration.opening.state
        assert (row.step, row.state, row.action) == (number, step.state, step.action)
        assert row.reward == step.reward
        assert row.terminated == (number == len(demonstration.steps) - 1)
    metadata = parquet.read_schema(tmp_path / "pool.parquet").metadata
    assert json.loads(metadata[b"icil"])["hash"] == POOL.hash


def test_outcomes_are_json_and_null_where_there_is_none(tmp_path):
    task = make("chess")
    pool = load_pool_for(task)
    few = replace(pool, demonstrations=pool.demonstrations[:2])
    export_pool(few, task, "parquet", tmp_path / "chess.parquet", format="fen")
    rows = parquet.read_table(tmp_path / "chess.parquet").to_pylist()
    steps = [step for d in few.demonstrations for step in d.steps]
    assert [json.loads(r["outcome"]) if r["outcome"] else None for r in rows] == [
        step.outcome for step in steps
    ]
    assert [r["outcome"] for r in rows].count(None) == 2
    shown = [s.observation.text for d in few.demonstrations for s in render(task, d, "fen")]
    assert [r["observation"] for r in rows] == shown


def test_pictures_are_pngs(tmp_path):
    export_pool(FEW, TASK, "parquet", tmp_path / "pool.parquet", format="rgb")
    rows = parquet.read_table(tmp_path / "pool.parquet").to_pylist()
    shown = [s.observation.image for d in FEW.demonstrations for s in render(TASK, d, "rgb")]
    for row, image in zip(rows, shown, strict=True):
        assert (np.asarray(Image.open(io.BytesIO(row["observation"]))) == image).all()


def test_what_cannot_be_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    out = tmp_path / "pool.parquet"
    with pytest.raises(UnknownNameError, match="unknown format for tic_tac_toe: 'asci'; did you"):
        export_pool(FEW, TASK, "parquet", out, format="asci")
    with pytest.raises(UnknownNameError, match="unknown target 'parket'; did you mean 'parquet'"):
        export_pool(FEW, TASK, "parket", out)
    first, *rest = FEW.demonstrations[0].steps
    wrong = replace(FEW.demonstrations[0], steps=(replace(first, state="0" * 16), *rest))
    with pytest.raises(PoolError, match="does not replay"):
        export_pool(replace(FEW, demonstrations=(wrong,)), TASK, "parquet", out, format="ascii")
    assert list(tmp_path.iterdir()) == []
    out.write_bytes(b"mine")
    with pytest.raises(PoolError, match="exists already"):
        export_pool(FEW, TASK, "parquet", out)
    assert out.read_bytes() == b"mine"
    (tmp_path / "file").touch()
    with pytest.raises(PoolError, match="cannot write"):
        export_pool(FEW, TASK, "parquet", tmp_path / "file" / "pool.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'icil\[parquet\]'"):
        export_pool(FEW, TASK, "parquet", tmp_path / "other.parquet")
