"""A task whose actions go by other names, which only demonstrations reveal (a control).

It is the task itself, but for the action language: what it says is renamed (traces, legal
actions, what its expert does), what is said to it is read as the action of that name. The names
are those of the vocabulary, none in its own place. Whoever knows the world and not the new names
fails; whoever imitates does as well as before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from icil.tasks.actions import LegalActions, ParsedAction, excerpt
from icil.tasks.errors import UsageError
from icil.tasks.expert import EnvT, Expert
from icil.tasks.seeding import generator
from icil.tasks.task import Task
from icil.tasks.wrapper import TaskWrapper


class Relabelled(TaskWrapper[EnvT]):
    """See the module.

    Args:
        task: The task, which has a vocabulary.
        labels: Each action of the vocabulary to the name that it goes by: a permutation.
    """

    def __init__(self, task: Task[EnvT], labels: Mapping[str, str]) -> None:
        super().__init__(task)
        self.labels = dict(labels)
        """Each action to the name that it goes by."""
        self._meanings = {label: action for action, label in labels.items()}

    @property
    def settings(self) -> Mapping[str, Any]:
        """The task's, and the names."""
        return {**self._task.settings, "labels": self.labels}

    def legal_actions(self, env: EnvT) -> LegalActions:
        """Returns the names of what may be done, sorted, so that their order reveals nothing."""
        legal = self._task.legal_actions(env)
        assert isinstance(legal, Sequence)
        return tuple(sorted(self.labels[action] for action in legal))

    def parse(self, text: str, env: EnvT) -> ParsedAction:
        """Reads a name as the action that goes by it."""
        label = text.strip()
        if not label:
            return self._task.parse(text, env)
        if label not in self._meanings:
            return ParsedAction(status="invalid", reason=f"{excerpt(label)} is not an action")
        meant = self._task.parse(self._meanings[label], env)
        if meant.status != "ok":
            reason = f"{label!r} is not allowed in this state"
            return ParsedAction(status=meant.status, reason=reason)
        return ParsedAction(status="ok", action=label, value=meant.value)

    def express(self, action: str, env: EnvT) -> str:
        """Returns the name of a trace's action."""
        return self.labels[self._task.express(action, env)]

    def expert(self) -> Expert[EnvT]:
        """Returns the task's expert, who knows the names.

        Raises:
            UsageError: The task has none.
        """
        return _Renaming(self._task.expert(), self.labels)


class _Renaming(Expert[EnvT]):
    """An expert that says what it does by other names."""

    def __init__(self, expert: Expert[EnvT], labels: Mapping[str, str]) -> None:
        self._expert, self._labels = expert, labels
        for attribute in Expert.__annotations__:
            setattr(self, attribute, getattr(expert, attribute))

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._expert.settings

    def begin(self, env: EnvT) -> None:
        self._expert.begin(env)

    def close(self) -> None:
        self._expert.close()

    def act(self, env: EnvT, rng: np.random.Generator) -> str:
        return self._labels[self._expert.act(env, rng)]

    def equally_good(self, env: EnvT) -> Sequence[str] | None:
        found = self._expert.equally_good(env)
        return None if found is None else [self._labels[action] for action in found]


def relabel(task: Task[EnvT], seed: int) -> Relabelled[EnvT]:
    """Returns a task with its actions renamed at random, none keeping its name.

    Args:
        task: The task.
        seed: Decides, with the task, who gets which name.

    Raises:
        UsageError: The task's actions cannot be listed, or there are fewer than two.
    """
    names = task.vocabulary
    if names is None:
        raise UsageError(
            f"the actions of {task.name} are no fixed list of names, so that they cannot be renamed"
        )
    if len(names) < 2:
        raise UsageError(f"{task.name} has no two actions that could change their names")
    rng = generator("labels", seed, task.name, task.version)
    return Relabelled(
        task, {names[i]: names[j] for i, j in enumerate(derangement(len(names), rng))}
    )


def derangement(count: int, rng: np.random.Generator) -> list[int]:
    """Returns a uniformly random order of 0 to `count - 1`, 2 or more, with none in its place."""
    while True:
        order = rng.permutation(count)
        if not (order == np.arange(count)).any():
            return [int(place) for place in order]
