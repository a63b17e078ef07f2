"""The registry of tasks."""

from collections.abc import Callable, Mapping
from typing import Any

from icil.tasks.registry import Registry
from icil.tasks.task import Task

_REGISTRY: Registry[Task[Any]] = Registry(
    "task",
    "icil.tasks",
    {
        "atari/": "icil.tasks.atari:make_atari",
        "atari/phoenix": "icil.tasks.atari:Phoenix",
        "cheetah": "icil.tasks.cheetah:Cheetah",
        "chess": "icil.tasks.chess:Chess",
        "crossword": "icil.tasks.crossword:Crossword",
        "fetch/": "icil.tasks.fetch:Fetch",
        "gridworld": "icil.tasks.gridworld:Gridworld",
        "gym:": "icil.tasks.gym:GymTask",
        "metaworld/": "icil.tasks.metaworld:MetaWorld",
        "pusht": "icil.tasks.pusht:PushT",
        "recorded:": "icil.tasks.recorded:Recorded",
        "tic_tac_toe": "icil.tasks.tic_tac_toe:TicTacToe",
    },
)

_SPOKEN = ("action_language", "chunk")
"""Settings of all tasks whose actions are vectors; see `icil.tasks.languages`."""
_STARTS = ("openings",)
"""Settings of all tasks; see `icil.tasks.opened`."""


def register(name: str) -> Callable[[type], type]:
    """Returns a decorator that registers a task under a name."""
    return _REGISTRY.register(name)


def names() -> tuple[str, ...]:
    """Returns the names of all tasks, sorted."""
    return _REGISTRY.names()


def members() -> tuple[str, ...]:
    """Returns the names that make a task as they are: all but those of families."""
    return _REGISTRY.members()


def make(name: str, settings: Mapping[str, Any] | None = None) -> Task[Any]:
    """Makes a task by its name.

    Every task may be set to start evaluation where a pool does (`openings`, see
    `icil.tasks.opened`), and one whose actions are vectors to an action language.

    Args:
        name: The name.
        settings: What differs from the defaults: keyword-only arguments of the task.

    Raises:
        UnknownNameError: There is no such task, or it has no such setting; the message names
            the nearest.
        UsageError: A setting has a value that it cannot have.
    """
    found = _REGISTRY.find(name)
    given = dict(settings or {})
    said = {key: given.pop(key) for key in _SPOKEN if key in given and key not in found.settings}
    starts = {key: given.pop(key) for key in _STARTS if key in given and key not in found.settings}
    task = found.make(given)
    if starts:
        from icil.tasks.opened import Opened

        task = Opened(task, **starts)
    if not said:
        return task
    from icil.tasks.languages import Spoken

    language, chunk = said.get("action_language", "decimals:3"), said.get("chunk", 1)
    return Spoken(task, language=language, chunk=chunk)
