"""Demonstrations cut into chunks: an observation, then what was done at several steps."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import numpy as np

from icil.tasks.actions import ActionBox
from icil.tasks.demonstrations import Chunked, Demonstration, Step
from icil.tasks.errors import PoolError, UsageError
from icil.tasks.languages.language import Chunk
from icil.tasks.task import Task


def units(vectors: Chunk, box: ActionBox) -> Chunk:
    """Returns actions of a task, shape (…, dimension), in units: -1 to 1 between their bounds."""
    return np.asarray((vectors - box.low) / (box.high - box.low) * 2 - 1, np.float64)


def from_units(chunk: Chunk, box: ActionBox) -> Chunk:
    """Returns actions in units as the task's."""
    return np.asarray(box.low + (chunk + 1) / 2 * (box.high - box.low), np.float64)


def bounded(task: Task[Any]) -> ActionBox:
    """Returns the bounds of a task's actions.

    Raises:
        UsageError: Its actions are no vectors, or have no bounds.
    """
    box = task.action_box
    if box is None or not (np.isfinite(box.low).all() and np.isfinite(box.high).all()):
        raise UsageError(
            f"the actions of {task.name} are no vectors with bounds: no action language speaks "
            "of them"
        )
    return box


def actions_of(task: Task[Any], demonstration: Demonstration) -> Chunk:
    """Returns what a demonstration did, in units, shape (steps, dimension).

    Raises:
        PoolError: One of its actions is none of the task's.
    """
    (found,) = all_actions(task, [demonstration])
    return found


def all_actions(task: Task[Any], demonstrations: Iterable[Demonstration]) -> Iterator[Chunk]:
    """Yields what each of some demonstrations did; otherwise as `actions_of`."""
    box = bounded(task)
    with closing(task.make_env()) as env:
        for one in demonstrations:
            values = []
            for number, step in enumerate(one.steps):
                parsed = task.parse(step.action, env)  # that of a vector needs no state
                if parsed.status != "ok":
                    what = f"demonstration {one.id} of {task.name}, step {number}"
                    raise PoolError(f"{what}: {parsed.reason}")
                values.append(np.asarray(parsed.value, np.float64).reshape(-1))
            yield units(np.stack(values), box)


def cut(actions: Chunk, length: int) -> Iterator[Chunk]:
    """Yields chunks of one length; the last action is repeated to fill the last one."""
    for first in range(0, len(actions), length):
        chunk = actions[first : first + length]
        missing = length - len(chunk)
        yield np.concatenate([chunk, np.repeat(chunk[-1:], missing, axis=0)])


def chunked(demonstration: Demonstration, words: tuple[str, ...], length: int) -> Chunked:
    """Returns a demonstration in chunks.

    Args:
        demonstration: As it was played.
        words: Its chunks in an action language.
        length: Steps of a chunk.
    """
    steps = tuple(
        Step(
            state=demonstration.steps[place * length].state,
            action=said,
            reward=sum(s.reward for s in demonstration.steps[place * length :][:length]),
        )
        for place, said in enumerate(words)
    )
    return Chunked(
        id=demonstration.id,
        opening=demonstration.opening,
        steps=steps,
        terminated=demonstration.terminated,
        whole=demonstration,
        length=length,
    )
