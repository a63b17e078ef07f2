"""Experts: whoever made the demonstrations, able to act in any state of its task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import gymnasium
import numpy as np

EnvT = TypeVar("EnvT", bound=gymnasium.Env[Any, Any])


class Expert(ABC, Generic[EnvT]):
    """Plays a task well. One instance plays one episode at a time."""

    name: str
    slow: bool = False
    """Whether `begin` or `act` may take more than a millisecond, and so belong in a thread."""
    plans: bool = False
    """Whether it makes plans, which take it up to seconds: on the states of others it is asked only
    by those who will wait."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was set to (strength, time, versions), for a pool's card; JSON."""
        return {}

    def begin(self, env: EnvT) -> None:
        """Is called once an episode, after the environment was put in its opening."""

    def close(self) -> None:
        """Is called once an episode, at its end; lets go of engines and the like."""

    @abstractmethod
    def act(self, env: EnvT, rng: np.random.Generator) -> str:
        """Returns a legal action for the environment's present state, which it leaves as it is.

        Args:
            env: The environment; an expert may read all of it.
            rng: The source of this step's choices between equally good actions.
        """

    def equally_good(self, env: EnvT) -> Sequence[str] | None:
        """Returns every action that it holds to be as good as any in the present state.

        What `act` returns is among them, whatever it draws. They are what an agent's choice is
        compared with, so that one who goes another way as well does not pass for wrong.

        Args:
            env: The environment, which it leaves as it is.

        Returns:
            None where it cannot tell: then what `act` returns is compared with.
        """
        return None
