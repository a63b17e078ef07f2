"""The wording of demonstrations' actions, worked out once each."""

from typing import Any

from icil.tasks import Demonstration, Task
from icil.tasks.demonstrations import Altered, shown_actions


class Wording:
    """Tells the actions of a task's demonstrations as they are shown."""

    def __init__(self, task: Task[Any]) -> None:
        self._task = task
        self._known: dict[str, tuple[Demonstration, tuple[str, ...]]] = {}

    def __call__(self, demonstration: Demonstration) -> tuple[str, ...]:
        """Returns the actions; may play the demonstration again, if it was not asked for before."""
        if isinstance(demonstration, Altered):
            return demonstration.actions
        known = self._known.get(demonstration.id)
        if known is None or known[0] is not demonstration:
            known = (demonstration, shown_actions(self._task, demonstration))
            self._known[demonstration.id] = known
        return known[1]
