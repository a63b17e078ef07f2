"""The two players whose scores all others are held against: a task's expert, and chance.

What they draw is a function of task, opening and step alone, so that their episodes are the
same in every run.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from icil.tasks.actions import sample_action
from icil.tasks.expert import Expert
from icil.tasks.openings import Opening
from icil.tasks.seeding import generator
from icil.tasks.task import Task

Player = Literal["expert", "random"]


class RandomPlayer(Expert[Any]):
    """Draws uniformly from the legal actions."""

    name = "random"

    def __init__(self, task: Task[Any]) -> None:
        self._task = task

    def act(self, env: Any, rng: np.random.Generator) -> str:
        """Returns a uniformly random legal action."""
        return sample_action(self._task.legal_actions(env), rng)


def make_player(task: Task[Any], player: Player) -> Expert[Any]:
    """Returns a new player of a task.

    Raises:
        UsageError: The task has no expert.
    """
    return task.expert() if player == "expert" else RandomPlayer(task)


def expert_generator(task: Task[Any], opening: Opening, step: int) -> np.random.Generator:
    """Returns the generator of an expert's choice at one step of one opening."""
    return generator("expert", task.name, task.version, opening.split, opening.index, step)


def random_generator(task: Task[Any], opening: Opening, step: int) -> np.random.Generator:
    """Returns the generator of the random player's draw at one step of one opening."""
    return generator("random", task.name, task.version, opening.split, opening.index, step)


GENERATORS: Mapping[Player, Callable[[Task[Any], Opening, int], np.random.Generator]] = {
    "expert": expert_generator,
    "random": random_generator,
}
"""What a player draws from."""
