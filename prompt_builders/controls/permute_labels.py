"""`permute_labels`: the actions go by other names, which only the demonstrations reveal.

The task is played under the new names (`icil.tasks.relabelled`): in the demonstrations, in the
episode's history and list of legal actions, and in what the model answers. Whoever imitates does
as well as before; whoever only knows the world does what it did not mean.
"""

from typing import Any

from icil.prompt_builders.controls.control import Alteration, Control, Rank, Scope, Stage
from icil.prompt_builders.controls.wording import Wording
from icil.prompt_builders.selectors import Selection
from icil.tasks import Demonstration, Task, UsageError
from icil.tasks.demonstrations import Altered, alter
from icil.tasks.relabelled import Relabelled, relabel


class PermuteLabels(Control):
    """The actions go by other names, none by its own; the seed decides which."""

    kind = "permute_labels"
    rank = Rank.RENAMES

    def bind(self, stage: Stage) -> Alteration:
        """Returns the control at work; see `Control.bind`."""
        try:
            return _PermutedLabels(relabel(stage.task, stage.seed))
        except UsageError as error:
            raise UsageError(f"control {self.name}: {error}") from error


class _PermutedLabels(Alteration):
    def __init__(self, task: Relabelled[Any]) -> None:
        self._task, self._wording = task, Wording(task.plain)

    @property
    def settings(self) -> dict[str, Any]:
        return {"labels": self._task.labels}

    @property
    def task(self) -> Task[Any]:
        return self._task

    def alter(self, shown: Selection, scope: Scope) -> Selection:
        return Selection(
            demonstrations=tuple(map(self._rename, shown.demonstrations)),
            reasons=tuple(f"{reason}; with its actions renamed" for reason in shown.reasons),
        )

    def _rename(self, demonstration: Demonstration) -> Demonstration:
        if isinstance(demonstration, Altered) and demonstration.task is not None:
            return demonstration  # of another task, whose actions have their own names
        labels = self._task.labels
        actions = tuple(labels[action] for action in self._wording(demonstration))
        return alter(demonstration, "permute_labels", actions)
