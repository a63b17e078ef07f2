"""Parquet as a target: a table of steps, for pandas, Polars, DuckDB and the like.

Each row is a step. What the pool is stands in the file's metadata under `icil`, as its card has it.
"""

import importlib
import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from icil.tasks.demonstrations import Demonstration, render
from icil.tasks.errors import UsageError
from icil.tasks.exchange.files import new_path
from icil.tasks.observation import Observation
from icil.tasks.pools import Pool
from icil.tasks.task import Task

_ROWS = 4096
"""How many are held in memory, and make a row group."""


def write_parquet(pool: Pool, task: Task[Any], path: Path, format: str | None) -> None:
    """Writes a pool as a table.

    Columns: `demonstration` (id), `opening` (its index), `opening_state` (JSON), `step` (from 0),
    `state` (digest), `action`, `reward`, `terminated`, `outcome` (JSON, null where there is
    none) and, with a format, `observation`: text, or a PNG's bytes.

    Args:
        pool: The pool.
        task: Its task.
        path: The new file.
        format: What to render; None for nothing.

    Raises:
        PoolError: The file exists or cannot be written, or the pool does not replay.
        UsageError: pyarrow is not installed.
    """
    try:
        arrow = importlib.import_module("pyarrow")
        writing = importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise UsageError("Parquet takes a package more: pip install 'icil[parquet]'") from error
    image = format in task.image_formats
    columns = [
        ("demonstration", arrow.string()),
        ("opening", arrow.int64()),
        ("opening_state", arrow.string()),
        ("step", arrow.int32()),
        ("state", arrow.string()),
        ("action", arrow.string()),
        ("reward", arrow.float64()),
        ("terminated", arrow.bool_()),
        ("outcome", arrow.string()),
    ]
    if format is not None:
        columns.append(("observation", arrow.binary() if image else arrow.string()))
    schema = arrow.schema(columns, metadata={"icil": pool.card.model_dump_json()})
    with new_path(path) as made, writing.ParquetWriter(made, schema) as file:
        rows = (row for each in pool.demonstrations for row in _rows(task, each, format))
        while some := list(islice(rows, _ROWS)):
            file.write_table(arrow.Table.from_pylist(some, schema=schema))


def _rows(
    task: Task[Any], demonstration: Demonstration, format: str | None
) -> Iterator[dict[str, Any]]:
    seen: Iterator[Observation | None]
    if format is None:
        seen = iter([None] * len(demonstration.steps))
    else:
        seen = (shown.observation for shown in render(task, demonstration, format))
    last = len(demonstration.steps) - 1
    for number, (step, observation) in enumerate(zip(demonstration.steps, seen, strict=True)):
        row = {
            "demonstration": demonstration.id,
            "opening": demonstration.opening.index,
            "opening_state": json.dumps(demonstration.opening.state),
            "step": number,
            "state": step.state,
            "action": step.action,
            "reward": step.reward,
            "terminated": number == last and demonstration.terminated,
            "outcome": None if step.outcome is None else json.dumps(step.outcome),
        }
        if observation is not None:
            row["observation"] = _written(observation)
        yield row


def _written(observation: Observation) -> str | bytes | None:
    if observation.image is None:
        return observation.text
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(observation.image).save(buffer, format="PNG")
    return buffer.getvalue()
