"""A task around another one: a wrapper overrides what it changes; the task inside does the rest.

Only how its demonstrations are told (`tell`) is a wrapper's own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, LegalActions, ParsedAction
from icil.tasks.expert import EnvT, Expert
from icil.tasks.observation import Observation
from icil.tasks.openings import Opening, OpeningSource, Split
from icil.tasks.task import Task, Transition


class TaskWrapper(Task[EnvT]):
    """See the module.

    Args:
        task: The task inside.
    """

    def __init__(self, task: Task[EnvT]) -> None:
        self._task = task
        for attribute in Task.__annotations__:
            setattr(self, attribute, getattr(task, attribute))

    @property
    def plain(self) -> Task[EnvT]:
        """The task inside."""
        return self._task

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """That of the task inside."""
        return self._task.vocabulary

    @property
    def action_box(self) -> ActionBox | None:
        """That of the task inside."""
        return self._task.action_box

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the task inside."""
        return self._task.settings

    @property
    def data_hash(self) -> str | None:
        """That of the task inside."""
        return self._task.data_hash

    def make_env(self) -> EnvT:
        """Returns an environment of the task inside."""
        return self._task.make_env()

    def openings(self, split: Split) -> OpeningSource:
        """Returns the openings of the task inside."""
        return self._task.openings(split)

    def state_key(self, env: EnvT) -> str:
        """Returns the key of the task inside."""
        return self._task.state_key(env)

    def observe(self, env: EnvT, format: str) -> Observation:
        """Renders the present state as the task inside does."""
        return self._task.observe(env, format)

    def frame(self, env: EnvT, camera: str) -> NDArray[np.uint8]:
        """Draws the present state as the task inside does."""
        return self._task.frame(env, camera)

    def proprio(self, env: EnvT) -> NDArray[np.float64] | None:
        """Returns the numbers of the task inside."""
        return self._task.proprio(env)

    def word_state(self, numbers: NDArray[np.float64]) -> Observation:
        """Returns numbers as the task inside shows them."""
        return self._task.word_state(numbers)

    def legal_actions(self, env: EnvT) -> LegalActions:
        """Returns what may be done in the task inside."""
        return self._task.legal_actions(env)

    def parse(self, text: str, env: EnvT) -> ParsedAction:
        """Reads a reply as the task inside does."""
        return self._task.parse(text, env)

    def word(self, vector: NDArray[np.float64]) -> str:
        """Returns the action that a vector is in the task inside."""
        return self._task.word(vector)

    def express(self, action: str, env: EnvT) -> str:
        """Returns a trace's action in the wording of the task inside."""
        return self._task.express(action, env)

    def expert(self) -> Expert[EnvT]:
        """Returns the expert of the task inside.

        Raises:
            UsageError: It has none.
        """
        return self._task.expert()

    def reset(self, env: EnvT, opening: Opening) -> None:
        """Puts an environment into an opening."""
        self._task.reset(env, opening)

    def step(self, env: EnvT, value: Any, outcome: Any = None) -> Transition:
        """Plays an action in the task inside; see `Task.step`."""
        return self._task.step(env, value, outcome)
