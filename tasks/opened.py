"""A task whose evaluation episodes start where the episodes of a pool do.

So may everybody be evaluated on the very openings that others have published: those of a pool that
was imported, each starting state once, in the pool's order. All else is the task's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icil.tasks.errors import OpeningsError, UsageError
from icil.tasks.expert import EnvT
from icil.tasks.openings import Opening, OpeningSource, Split, State
from icil.tasks.pools import Pool, check_pool_of, load_pool
from icil.tasks.task import Task
from icil.tasks.wrapper import TaskWrapper


class Opened(TaskWrapper[EnvT]):
    """See the module.

    Args:
        task: The task.
        openings: The pool's folder, as text.

    Raises:
        UsageError: It names no folder.
        PoolError: There is no pool, it is damaged, or of another task or version.
    """

    def __init__(self, task: Task[EnvT], *, openings: Any) -> None:
        super().__init__(task)
        if not isinstance(openings, str) or not openings:
            raise UsageError(f"openings is the folder of a pool of {task.name}, not {openings!r}")
        self._pool = load_pool(Path(openings))
        check_pool_of(self._pool.card, task, Path(openings))

    @property
    def plain(self) -> Task[EnvT]:
        """This task: its actions go by their own names."""
        return self

    @property
    def settings(self) -> Mapping[str, Any]:
        """The task's, and the hash of the pool."""
        return {**self._task.settings, "openings": self._pool.hash}

    @property
    def pool_settings(self) -> Mapping[str, Any]:
        """The task's: a demonstration does not depend on where others begin."""
        return self._task.pool_settings

    def openings(self, split: Split) -> OpeningSource:
        """Returns those of the pool for evaluation, the task's for demonstrations.

        Raises:
            OpeningsError: The task has none for evaluation: nothing else can be done in it than
                was done.
        """
        found = self._task.openings(split)
        return found if split == "demonstration" else PoolOpenings(self._pool)


class PoolOpenings:
    """The openings of a pool's episodes, as an evaluation split.

    Args:
        pool: The pool.
    """

    split: Split = "evaluation"

    def __init__(self, pool: Pool) -> None:
        first: dict[str, State] = {}
        for one in pool.demonstrations:
            first.setdefault(one.steps[0].state, one.opening.state)
        self._name, self._states = pool.card.task, list(first.values())
        self.distinct: int | None = len(self._states)

    def __getitem__(self, index: int) -> Opening:
        """Returns an opening.

        Raises:
            OpeningsError: The pool has fewer.
        """
        if not 0 <= index < len(self._states):
            raise OpeningsError(
                f"the pool has {len(self._states)} openings of {self._name}; number {index} is not "
                "among them"
            )
        return Opening(split=self.split, index=index, state=self._states[index])
