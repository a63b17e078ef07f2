"""`noise=P`: a share of the demonstrations takes the actions of others.

After Baek et al. (arXiv 2412.16926), who swap the outputs of a share of their examples. Of k
demonstrations exactly round(P · k) are noisy. Which, and whose actions they take, does not
depend on P: those that are noisy at 0.25 are so at 0.5, with the same actions. With all of them
noisy the actions are still those of the demonstrations shown, each set once, and only in the
wrong places.
"""

import math
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any

from icil.prompt_builders.controls.control import Alteration, Control, Scope, Stage
from icil.prompt_builders.controls.wording import Wording
from icil.prompt_builders.selectors import Selection
from icil.tasks import Demonstration, PoolError, Task, UsageError
from icil.tasks.demonstrations import alter
from icil.tasks.relabelled import derangement


class Noise(Control):
    """A share of the demonstrations takes the actions of others: `noise=0.25`.

    Args:
        value: The share, from 0 to 1.

    Raises:
        UsageError: It is no such number.
    """

    kind = "noise"

    def __init__(self, value: str | None = None) -> None:
        self.share = _share(value)
        """Of the demonstrations, from 0 to 1."""

    @property
    def name(self) -> str:
        """With the share."""
        return f"{self.kind}={self.share:.15g}"

    def bind(self, stage: Stage) -> Alteration:
        """Returns the control at work; see `Control.bind`."""
        if len(stage.pool.demonstrations) < 2:
            raise _no_other(stage.task.name)
        return _Noise(self.share, stage.task)


class _Noise(Alteration):
    def __init__(self, share: float, task: Task[Any]) -> None:
        self._share, self._task, self._wording = share, task, Wording(task)

    def alter(self, shown: Selection, scope: Scope) -> Selection:
        chosen, reasons = list(shown.demonstrations), list(shown.reasons)
        donors = self._donors(chosen, scope)
        order = scope.generator("noisy").permutation(len(chosen))
        for place in order[: round(self._share * len(chosen))]:
            one, donor = shown.demonstrations[place], donors[place]
            actions = tuple(islice(cycle(self._wording(donor)), len(one.steps)))
            chosen[place] = alter(one, f"noise:{_plain_id(donor)}", actions)
            reasons[place] += f"; with the actions of {_plain_id(donor)}"
        return Selection(demonstrations=tuple(chosen), reasons=tuple(reasons))

    def _donors(self, chosen: Sequence[Demonstration], scope: Scope) -> Sequence[Demonstration]:
        """Returns for each demonstration whose actions it would take."""
        rng = scope.generator("donors")
        if len(chosen) > 1:
            return [chosen[place] for place in derangement(len(chosen), rng)]
        own = {_plain_id(one) for one in chosen}
        others = [d for d in scope.offered.demonstrations if d.id not in own]
        if not others:
            raise _no_other(self._task.name)
        return [others[int(rng.integers(len(others)))] for _ in chosen]


def _plain_id(demonstration: Demonstration) -> str:
    return demonstration.id.partition("~")[0]


def _no_other(task: str) -> PoolError:
    return PoolError(
        f"control noise: the pool of {task} has no other demonstration whose actions could be taken"
    )


def _share(value: str | None) -> float:
    try:
        share = float(value or "")
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        got = "nothing" if value is None else repr(value)
        raise UsageError(
            f"control noise: expected a share from 0 to 1, such as noise=0.25, got {got}"
        )
    return abs(share)
