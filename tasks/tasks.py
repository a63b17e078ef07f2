"""The registry of tasks."""

from collections.abc import Callable
from typing import Any

from icil.tasks.registry import Registry
from icil.tasks.task import Task

_REGISTRY: Registry[Task[Any]] = Registry(
    "task",
    "icil.tasks",
    {
        "gridworld": "icil.tasks.gridworld:Gridworld",
        "tic_tac_toe": "icil.tasks.tic_tac_toe:TicTacToe",
    },
)


def register(name: str) -> Callable[[type], type]:
    """Returns a decorator that registers a task under a name."""
    return _REGISTRY.register(name)


def names() -> tuple[str, ...]:
    """Returns the names of all tasks, sorted."""
    return _REGISTRY.names()


def members() -> tuple[str, ...]:
    """Returns the names that make a task as they are: all but those of families."""
    return _REGISTRY.members()


def make(name: str) -> Task[Any]:
    """Makes a task by its name.

    Raises:
        UnknownNameError: There is no such task; the message names the nearest.
    """
    return _REGISTRY.make(name)
