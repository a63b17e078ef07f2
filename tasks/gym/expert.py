"""The expert of a Gymnasium environment: whatever its user names."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from icil.tasks.errors import ContractError, UsageError
from icil.tasks.expert import Expert
from icil.tasks.gym.env import GymEnv
from icil.tasks.registry import load_named

Wording = Callable[[Any], str]
"""Returns what an action is called; raises TypeError, ValueError or KeyError if it is none."""


def named_expert(name: str, word: Wording) -> Expert[GymEnv]:
    """Returns the expert that `module:attribute` names.

    Args:
        name: Where an `Expert` class is, or a function of the environment.
        word: How the actions that a function returns are worded.

    Raises:
        UsageError: It cannot be imported, or is neither.
    """
    found = load_named("expert", name)
    if isinstance(found, type) and issubclass(found, Expert):
        return found()
    if isinstance(found, type) or not callable(found):
        raise UsageError(f"the expert {name} is neither a function nor an Expert class")
    return FunctionExpert(name, found, word)


class FunctionExpert(Expert[GymEnv]):
    """A function of the environment as an expert.

    Args:
        where: Where the function is, as `module:attribute`.
        function: The function.
        word: How the actions that it returns are worded.
    """

    name = "function"
    slow = True

    def __init__(self, where: str, function: Callable[[GymEnv], Any], word: Wording) -> None:
        self._where, self._function, self._word = where, function, word

    @property
    def settings(self) -> Mapping[str, Any]:
        """Which function it is."""
        return {"function": self._where}

    def act(self, env: GymEnv, rng: np.random.Generator) -> str:
        """Returns what the function says.

        Raises:
            ContractError: That is no action of the environment.
        """
        said = self._function(env)
        try:
            return self._word(said)
        except (TypeError, ValueError, KeyError) as error:
            raise ContractError(
                f"the expert {self._where} returned {said!r:.80}, which is no action of "
                f"{env.action_space}"
            ) from error
