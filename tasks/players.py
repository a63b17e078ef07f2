"""The two players whose scores all others are held against: a task's expert, and chance.

And one between them: the expert who, with some probability, plays a random action instead. What
they draw is a function of task, opening and step alone, so that their episodes are the same in
every run.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from icil.tasks.actions import sample_action
from icil.tasks.errors import UnknownNameError, UsageError
from icil.tasks.expert import Expert
from icil.tasks.openings import Opening
from icil.tasks.seeding import generator
from icil.tasks.task import Task

Player = Literal["expert", "random"]
"""Those whose scores others are held against."""

Draws = Callable[[Task[Any], Opening, int], np.random.Generator]
"""Returns the generator of a player's draw at one step of one opening."""

PERTURBED = "perturbed"
NOISE = 0.25
"""How often the perturbed expert draws at random unless told otherwise."""


class RandomPlayer(Expert[Any]):
    """Draws uniformly from the legal actions."""

    name = "random"

    def __init__(self, task: Task[Any]) -> None:
        self._task = task

    def act(self, env: Any, rng: np.random.Generator) -> str:
        """Returns a uniformly random legal action."""
        return sample_action(self._task.legal_actions(env), rng)


class PerturbedExpert(Expert[Any]):
    """The expert, who now and then draws uniformly from the legal actions instead.

    These draws take nothing from those of the expert: one who is never perturbed plays the
    expert's own episodes, and the more the noise, the more of the same steps are drawn.

    Args:
        task: A task that has an expert.
        noise: How often it draws: the probability at each step, 0 to 1.

    Raises:
        UsageError: The task has no expert.
    """

    name = PERTURBED

    def __init__(self, task: Task[Any], noise: float) -> None:
        self._task, self._noise = task, noise
        self._expert: Expert[Any] = task.expert()
        self.slow, self.plans = self._expert.slow, self._expert.plans

    @property
    def settings(self) -> Mapping[str, Any]:
        """The noise, and who is perturbed."""
        return {
            "noise": self._noise,
            "expert": self._expert.name,
            "expert_settings": dict(self._expert.settings),
        }

    def begin(self, env: Any) -> None:
        """Tells the expert."""
        self._expert.begin(env)

    def close(self) -> None:
        """Lets go of the expert."""
        self._expert.close()

    def act(self, env: Any, rng: np.random.Generator) -> str:
        """Returns the expert's action, or any that is legal."""
        (chance,) = rng.spawn(1)
        if chance.random() < self._noise:
            return sample_action(self._task.legal_actions(env), chance)
        return self._expert.act(env, rng)


def make_player(task: Task[Any], player: str) -> Expert[Any]:
    """Returns a new player of a task.

    Args:
        task: The task.
        player: `expert`, `random`, or `perturbed[:noise=P]`.

    Raises:
        UnknownNameError: There is no such player.
        UsageError: The task has no expert, or the noise is no probability.
    """
    if player == "expert":
        return task.expert()
    if player == "random":
        return RandomPlayer(task)
    return PerturbedExpert(task, read_noise(player))


def read_noise(player: str) -> float:
    """Returns how often a perturbed expert draws at random, by its name.

    Raises:
        UnknownNameError: It is not the name of one.
        UsageError: It has another option, or the noise is no probability.
    """
    name, *options = player.split(":")
    if name != PERTURBED:
        raise UnknownNameError("player", player, ("expert", PERTURBED, "random"))
    noise = NOISE
    for option in options:
        key, _, value = option.partition("=")
        if key != "noise" or len(options) > 1:
            raise UsageError(f"player {player!r}: expected {PERTURBED} or {PERTURBED}:noise=P")
        try:
            noise = float(value)
        except ValueError:
            noise = -1.0
        if not 0 <= noise <= 1:
            raise UsageError(f"player {player!r}: expected a noise from 0 to 1, got {value!r}")
    return noise


def expert_generator(task: Task[Any], opening: Opening, step: int) -> np.random.Generator:
    """Returns the generator of an expert's choice at one step of one opening."""
    return generator("expert", task.name, task.version, opening.split, opening.index, step)


def random_generator(task: Task[Any], opening: Opening, step: int) -> np.random.Generator:
    """Returns the generator of the random player's draw at one step of one opening."""
    return generator("random", task.name, task.version, opening.split, opening.index, step)


def draws_of(player: str) -> Draws:
    """Returns what a player draws from."""
    return random_generator if player == "random" else expert_generator
