"""Reference lines: the expert's and the random player's episodes on the evaluation openings.

Those of the first 200 openings of each task ship with icil, so that a run looks its lines up
instead of playing them, also where the expert thinks for seconds. They are pools like any
other, but of the evaluation split, and no model is ever shown one.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from icil.tasks.demonstrations import Demonstration
from icil.tasks.players import Player
from icil.tasks.pools import load_pool, read_card
from icil.tasks.task import Task

_SHIPPED = Path(__file__).parent / "references"

References = Mapping[str, Mapping[int, Demonstration]]
"""For each player: the numbers of openings to the episodes played from them."""


def load_references(task: Task[Any]) -> References:
    """Reads the episodes that ship for a task, as it is set.

    Returns:
        Empty where none ship for this task, its version and its settings.

    Raises:
        PoolError: They are damaged.
    """
    found: dict[str, Mapping[int, Demonstration]] = {}
    for player in get_args(Player):
        folder = shipped_references(task.name, player)
        if not folder.exists():
            continue
        card = read_card(folder)
        made_for = (card.task, card.task_version, card.task_settings)
        if made_for != (task.name, task.version, dict(task.settings)):
            continue
        found[player] = {d.opening.index: d for d in load_pool(folder).demonstrations}
    return found


def shipped_references(task: str, player: Player) -> Path:
    """Returns where a player's episodes of a task would be that ship with icil."""
    return _SHIPPED / re.sub(r"\W", "_", task) / player
