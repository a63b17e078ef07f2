"""How many episodes the cells of a run are to have.

As many as the experiment says; but a run that was widened may hold cells that were asked for with
another number.
"""

from collections.abc import Mapping
from typing import Any

PLANNED = "planned"
"""The key of a store's `meta` that has the number of such cells, by their hashes."""


def planned_episodes(meta: Mapping[str, Any], cell: str) -> int:
    """Returns how many episodes a cell is to have.

    Args:
        meta: What describes the run.
        cell: The cell's hash.
    """
    found: int = meta.get(PLANNED, {}).get(cell, meta["experiment"]["episodes"])
    return found
