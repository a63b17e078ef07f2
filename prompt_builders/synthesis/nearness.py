"""How alike two episodes are: as much as both what they show and what is done are alike.

What they show: the cosine of their embeddings, each the mean over all the observations, less the
mean of all episodes (what all show, such as the walls of a room, makes none alike). In the task's
first text format (else its first), with the embedding that suits it. What is done: twice the
actions that both have in matching blocks, in the same order, over all the actions of both
(Ratcliff and Obershelp 1988). Two episodes that show the same and act otherwise are not alike,
nor are two that act the same elsewhere.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from icil.prompt_builders.embeddings.index import find_index
from icil.prompt_builders.embeddings.space import space_for
from icil.tasks import Demonstration, Pool, Task


class Nearness:
    """The episodes of a pool, and those of some others that were taken in.

    Args:
        task: The task.
        pool: Demonstrations of it.
        others: One or more episodes that may be taken in.

    Raises:
        PoolError: One of all these does not replay.
    """

    def __init__(self, task: Task[Any], pool: Pool, others: Sequence[Demonstration]) -> None:
        texts = [format for format in task.formats if format not in task.image_formats]
        opening = pool.demonstrations[0].opening
        space = space_for(task, (*texts, *task.formats)[0], opening, None, "episode")
        index = find_index(pool, space)
        vectors = index.scale.apply(space.embed_demonstrations(others))
        every = np.concatenate((index.rows.vectors, vectors)).astype(np.float64)
        # Whole numbers, whose products add up to the same in whatever order a machine adds.
        self._seen = every - np.rint(every.mean(axis=0))
        self._lengths = np.linalg.norm(self._seen, axis=1)
        everything = [*(pool.demonstrations[place] for place in index.places), *others]
        self._actions = [tuple(step.action for step in one.steps) for one in everything]
        self._taken = np.arange(len(everything)) < len(index.ids)
        self._first = len(index.ids)

    def take(self, number: int, most: float) -> bool:
        """Takes in one of the others, unless one is there that is more like it than `most`.

        Args:
            number: Its place among the others.
            most: From 0, where the two have nothing in common, to 1.

        Returns:
            Whether it was taken in.
        """
        row = self._first + number
        lengths = self._lengths * self._lengths[row]
        alike = self._taken & (self._seen @ self._seen[row] > most * lengths)
        matcher = SequenceMatcher(b=self._actions[row], autojunk=False)
        for place in np.flatnonzero(alike):
            matcher.set_seq1(self._actions[place])
            if matcher.ratio() > most:
                return False
        self._taken[row] = True
        return True
