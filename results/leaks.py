"""What gives openings away, counted per cell: demonstrations kept from models, and shown to them.

`docs/leakage.md` says what counts as exact and as near. Episodes count once they have begun.
"""

import json
from dataclasses import dataclass

from icil.results.records import CellRecord
from icil.results.store import RunStore

_CELLS = """
SELECT COUNT(*), SUM(json_array_length(e.demonstrations)), SUM(e.left_out), MAX(e.left_out),
       SUM(e.leaked), SUM(e.near), SUM(e.leaked + e.near > 0),
       c.hash, c.task, c.format, c.agent, c.selector, c.demonstrations, c.context_tokens, c.options
FROM cells c JOIN episodes e ON e.cell = c.id
WHERE c.asked
GROUP BY c.id
HAVING SUM(json_array_length(e.demonstrations) + e.left_out) > 0
ORDER BY c.task, c.format, c.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakCounts:
    """How many demonstrations give the openings of a cell's episodes away."""

    cell: CellRecord
    episodes: int
    """Those begun."""
    shown: int
    """Demonstrations, all its episodes together."""
    left_out: int
    """Demonstrations that were not offered, all its episodes together."""
    most_left_out: int
    """The most of them in one episode."""
    leaked: int
    """Of those shown, the ones that pass through their episode's opening."""
    near: int
    """Of the others shown, the ones that pass through a near duplicate of it."""
    affected: int
    """Episodes that show any of either kind."""


def count_leaks(store: RunStore) -> tuple[LeakCounts, ...]:
    """Returns the counts of each cell that was offered demonstrations, by task and format."""
    return tuple(_counts(*row) for row in store.rows(_CELLS)[1])


def _counts(
    episodes: int,
    shown: int,
    left_out: int,
    most: int,
    leaked: int,
    near: int,
    affected: int,
    *cell: object,
) -> LeakCounts:
    *named, options = cell
    names = ("hash", "task", "format", "agent", "selector", "demonstrations", "context_tokens")
    fields = {**dict(zip(names, named, strict=True)), "options": json.loads(str(options))}
    return LeakCounts(
        cell=CellRecord(**fields),
        episodes=episodes,
        shown=shown,
        left_out=left_out,
        most_left_out=most,
        leaked=leaked,
        near=near,
        affected=affected,
    )
