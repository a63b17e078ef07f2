"""Meta-World's scripted experts."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from icil.tasks.expert import Expert
from icil.tasks.gym.box import BoxActions
from icil.tasks.metaworld.env import MetaWorldEnv
from icil.tasks.metaworld.library import library

_DECIMALS = 4
"""Of what it says: a hundredth of the millimetre that it moves the hand by is less than noise."""


class Scripted(Expert[MetaWorldEnv]):
    """What the library's authors wrote for a task: it looks at the numbers and keeps no plan.

    Args:
        name: The task.
    """

    name: str = "scripted"
    slow: bool = False

    def __init__(self, name: str) -> None:
        self._policy: Any = library().experts[name]()

    @property
    def settings(self) -> Mapping[str, Any]:
        """The library's version, and the decimals of its actions."""
        return {"metaworld": version("metaworld"), "decimals": _DECIMALS}

    def act(self, env: MetaWorldEnv, rng: np.random.Generator) -> str:
        """Returns what the script does in the present state."""
        found = np.asarray(self._policy.get_action(env.numbers), np.float64)
        return BoxActions.word(np.clip(found, -1.0, 1.0).round(_DECIMALS) + 0.0)
