"""Episodes of a task that tell how its prompts grow, and how long episodes are.

They are the reference players', looked up where they are on record. Where not, chance plays a
few, and the pool stands for the expert.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from icil.harness.planning.cells import TaskPlan
from icil.tasks import Demonstration
from icil.tasks.demonstrations import demonstrate

T = TypeVar("T")

SAMPLES = 8
"""How many of many are looked at."""
_PLAYED = 4
"""Episodes of chance that are played where none is on record."""
_STEPS, _FEWEST = 200, 3
"""Steps of a player that are played again, and its episodes, however long they are."""


class TaskSamples:
    """See the module.

    Args:
        task: The task, with the openings that are played.
    """

    def __init__(self, task: TaskPlan) -> None:
        self._task = task

    @cached_property
    def lengths(self) -> Mapping[str, Counter[int]]:
        """How many episodes of each reference player had so many steps."""
        found = {"random": self._chance, "expert": self._expert}
        return {name: Counter(len(d.steps) for d in shown) for name, shown in found.items()}

    @cached_property
    def episodes(self) -> Sequence[Demonstration]:
        """Some to play again, of both players."""
        return [*_some(self._chance), *_some(self._expert)]

    @cached_property
    def _chance(self) -> Sequence[Demonstration]:
        if recorded := self._recorded("random"):
            return recorded
        task, openings = self._task.task, self._task.openings[:_PLAYED]
        return [demonstrate(task, opening, str(opening.index), "random") for opening in openings]

    @cached_property
    def _expert(self) -> Sequence[Demonstration]:
        pool = self._task.pool
        return self._recorded("expert") or (pool.demonstrations if pool else ())

    def _recorded(self, player: str) -> list[Demonstration]:
        known = self._task.references.get(player, {})
        found = [(opening, known.get(opening.index)) for opening in self._task.openings]
        task = self._task.task
        return [task.tell(shown) for opening, shown in found if shown and shown.opening == opening]


def _some(episodes: Sequence[Demonstration]) -> list[Demonstration]:
    """Returns fewer of long episodes than of short ones."""
    steps = sum(len(episode.steps) for episode in episodes)
    most = _STEPS * len(episodes) // max(1, steps)
    return spread(episodes, max(_FEWEST, min(SAMPLES, most)))


def spread(found: Sequence[T], most: int) -> list[T]:
    """Returns some of many, evenly from the first to the last."""
    count = min(most, len(found))
    return [found[index * len(found) // count] for index in range(count)]
