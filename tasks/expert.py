"""Experts: whoever made the demonstrations, able to act in any state of its task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import gymnasium
import numpy as np

EnvT = TypeVar("EnvT", bound=gymnasium.Env[Any, Any])


class Expert(ABC, Generic[EnvT]):
    """Plays a task well. One instance plays one episode at a time."""

    name: ClassVar[str]
    stateful: ClassVar[bool] = False
    """Whether what it does depends on more than the state and the generator it is given."""
    slow: ClassVar[bool] = False
    """Whether `act` may take more than a millisecond, and so belongs in a thread."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was set to (strength, time, versions), for a pool's card; JSON."""
        return {}

    def begin(self, env: EnvT) -> None:
        """Is called once an episode, after the environment was put in its opening."""

    @abstractmethod
    def act(self, env: EnvT, rng: np.random.Generator) -> str:
        """Returns a legal action for the environment's present state, which it leaves as it is.

        Args:
            env: The environment; an expert may read all of it.
            rng: The source of this step's choices between equally good actions.
        """
