"""Files of scores that the selectors by difficulty read, and how their names say where they are.

A file is a JSON object of scores by id, `{"00000": 3.5, …}`, or what `icil demos rate` writes,
which also says of which pool they are.

Where a file is stands in a selector's name, `hard:by=FILE`; an experiment takes the two apart, so
that only the file's own name, and its content's hash, are part of what identifies a cell.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from icil.prompt_builders.selectors.options import split_name
from icil.tasks import UsageError

KINDS = ("length", "return", "surprise")
"""Of difficulties that are no file."""
_SELECTORS = ("curriculum", "hard")


class FileScores(NamedTuple):
    """What a file holds."""

    scores: Mapping[str, float]
    """By the demonstration's id."""
    pool: str | None
    """The hash of the pool that they are of; None where the file does not tell."""


def read_scores(path: Path, content: bytes) -> FileScores:
    """Reads a file of scores.

    Args:
        path: For messages.
        content: What it holds.

    Raises:
        UsageError: It holds something else.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the scores {path} cannot be read: {error}") from error
    pool = None
    if isinstance(found, dict) and isinstance(found.get("scores"), dict):
        pool, found = found.get("pool"), found["scores"]
    if not isinstance(found, dict) or not isinstance(pool, str | None):
        raise UsageError(f"{path} does not hold scores; {_EXPECTED}")
    for id, score in found.items():
        if not _is_number(score):
            raise UsageError(f"{path}: the score of {id} is {json.dumps(score):.40}; {_EXPECTED}")
    return FileScores(found, pool)


_EXPECTED = 'expected a JSON object of ids and finite numbers, such as {"00000": 3.5}'


def file_of(name: str) -> Path | None:
    """Returns the file that a selector's name says its scores are in; None if it says none.

    Args:
        name: The name, perhaps with controls behind it.

    Raises:
        UsageError: It is no selector's name.
    """
    selector = name.partition("+")[0]
    if selector.partition(":")[0] not in _SELECTORS:
        return None
    path = Path(split_name(selector).options.get("by", ""))
    return path if path.suffix or len(path.parts) > 1 else None


def with_file(name: str, path: Path) -> str:
    """Returns a selector's name, which has a file of scores, with another one."""
    selector, plus, controls = name.partition("+")
    base, options = split_name(selector)
    pieces = [f":{key}={path if key == 'by' else value}" for key, value in options.items()]
    return f"{base}{''.join(pieces)}{plus}{controls}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
