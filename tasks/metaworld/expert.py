"""Meta-World's scripted experts."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from icil.tasks.arms import SAID_DECIMALS, ArmEnv, word_said
from icil.tasks.expert import Expert
from icil.tasks.metaworld.library import library


class Scripted(Expert[ArmEnv]):
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
        return {"metaworld": version("metaworld"), "decimals": SAID_DECIMALS}

    def act(self, env: ArmEnv, rng: np.random.Generator) -> str:
        """Returns what the script does in the present state."""
        return word_said(np.asarray(self._policy.get_action(env.numbers), np.float64))
