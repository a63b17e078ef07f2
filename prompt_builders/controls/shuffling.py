"""`shuffle_actions` and `shuffle_order`: what is shown is all there, and in another order.

The first takes from each demonstration which action answers which state, and leaves how often
each is taken. The second leaves the demonstrations as they are: it tells whether their order
matters (Baek et al., arXiv 2412.16926, found that it does not).
"""

from icil.prompt_builders.controls.control import Alteration, Control, Scope, Stage
from icil.prompt_builders.controls.wording import Wording
from icil.prompt_builders.selectors import Selection
from icil.tasks import Demonstration
from icil.tasks.demonstrations import alter
from icil.tasks.seeding import generator


class ShuffleActions(Control):
    """Each demonstration's actions in a shuffled order, the same whenever it is shown."""

    kind = "shuffle_actions"

    def bind(self, stage: Stage) -> Alteration:
        """Returns the control at work; see `Control.bind`."""
        return _ShuffledActions(stage)


class _ShuffledActions(Alteration):
    def __init__(self, stage: Stage) -> None:
        self._stage, self._wording = stage, Wording(stage.task)

    def alter(self, shown: Selection, scope: Scope) -> Selection:
        return Selection(
            demonstrations=tuple(map(self._shuffle, shown.demonstrations)),
            reasons=tuple(f"{reason}; with its actions shuffled" for reason in shown.reasons),
        )

    def _shuffle(self, demonstration: Demonstration) -> Demonstration:
        task, seed = self._stage.task, self._stage.seed
        rng = generator("shuffle_actions", seed, task.name, task.version, demonstration.id)
        actions = self._wording(demonstration)
        order = rng.permutation(len(actions))
        return alter(demonstration, "shuffle_actions", tuple(actions[i] for i in order))


class ShuffleOrder(Control):
    """The demonstrations chosen, in a shuffled order."""

    kind = "shuffle_order"

    def bind(self, stage: Stage) -> Alteration:
        """Returns the control at work; see `Control.bind`."""
        return _ShuffledOrder()


class _ShuffledOrder(Alteration):
    def alter(self, shown: Selection, scope: Scope) -> Selection:
        order = scope.generator("order").permutation(len(shown.demonstrations))
        return Selection(
            demonstrations=tuple(shown.demonstrations[i] for i in order),
            reasons=tuple(f"{shown.reasons[i]}; in a shuffled order" for i in order),
        )
