"""Episodes of a task that tell how its prompts grow, and how long episodes are.

They are the reference players', looked up where they are on record. Where not, chance plays a
few, and the pool stands for the expert.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from icil.harness.cells import TaskPlan
from icil.tasks import Demonstration
from icil.tasks.demonstrations import demonstrate

T = TypeVar("T")

SAMPLES = 8
"""How many of many are looked at."""
_PLAYED = 4
"""Episodes of chance that are played where none is on record."""


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
        chance = self._recorded("random") or self._chance
        expert: Sequence[Demonstration] = self._recorded("expert")
        if not expert and self._task.pool:
            expert = self._task.pool.demonstrations
        found = {"random": chance, "expert": expert}
        return {name: Counter(len(d.steps) for d in shown) for name, shown in found.items()}

    @cached_property
    def episodes(self) -> Sequence[Demonstration]:
        """Some to play again, of both players."""
        chance = spread(self._recorded("random"), SAMPLES) or self._chance
        expert = spread(self._recorded("expert"), SAMPLES)
        if not expert and self._task.pool:
            expert = spread(self._task.pool.demonstrations, _PLAYED)
        return [*chance, *expert]

    def _recorded(self, player: str) -> list[Demonstration]:
        known = self._task.references.get(player, {})
        found = [(opening, known.get(opening.index)) for opening in self._task.openings]
        return [shown for opening, shown in found if shown and shown.opening == opening]

    @cached_property
    def _chance(self) -> list[Demonstration]:
        task, openings = self._task.task, self._task.openings[:_PLAYED]
        return [demonstrate(task, opening, str(opening.index), "random") for opening in openings]


def spread(found: Sequence[T], most: int) -> list[T]:
    """Returns some of many, evenly from the first to the last."""
    count = min(most, len(found))
    return [found[index * len(found) // count] for index in range(count)]
