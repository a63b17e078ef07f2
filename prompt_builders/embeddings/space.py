"""A space: what of a task is embedded, and how, and so which vectors can be compared."""

import io
import json
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from icil.prompt_builders import embeddings
from icil.prompt_builders.embeddings.embedding import Embedding, Vectors
from icil.prompt_builders.embeddings.memo import Memo
from icil.prompt_builders.rendered import keeps_pictures, render_pngs
from icil.tasks import (
    Demonstration,
    Observation,
    Opening,
    PoolError,
    Task,
    UsageError,
    render,
    replay,
)
from icil.tasks.demonstrations import Window, state_digest

Part = Literal["opening", "episode"]
"""What of a demonstration stands for it: its first observation, or the mean over all."""
PARTS: tuple[Part, ...] = get_args(Part)

_BATCH = 64
"""Observations that are embedded at a time: pictures are large."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is embedded: a task's observations in one format."""

    task: Task[Any]
    format: str
    embedding: Embedding
    of: Part = "opening"

    @property
    def key(self) -> Hashable:
        """Equal for spaces that give the same vectors, in this process."""
        return (*identify(self.task), self.format, self.embedding, self.of)

    def embed_demonstrations(self, demonstrations: Sequence[Demonstration]) -> Vectors:
        """Returns a vector for each demonstration; may take long.

        Raises:
            PoolError: A demonstration does not replay.
            UsageError: The embedding cannot take what the format shows.
        """
        if self.of == "opening":
            return self._embed(observe_firsts(self.task, self.format, demonstrations))
        return np.concatenate(self._alike(map(self._mean, demonstrations)))

    def embed_states(self, demonstration: Demonstration) -> Vectors:
        """Returns a vector for each step of a demonstration.

        Raises:
            PoolError: The demonstration does not replay.
            UsageError: The embedding cannot take what the format shows.
        """
        return self._embed(_states(self.task, self.format, demonstration))

    def embed_opening(self, opening: Opening) -> Vectors:
        """Returns the vector of an episode's first observation, shape (1, dimension).

        Raises:
            UsageError: The embedding cannot take what the format shows.
        """
        return self._embed([observe(self.task, self.format, opening)])

    def embed_observations(self, observations: Iterable[Observation]) -> Vectors:
        """Returns a vector for each of one or more observations.

        Raises:
            UsageError: The embedding cannot take what the format shows.
        """
        return self._embed(observations)

    def embed_observation(self, observation: Observation) -> Vectors:
        """Returns the vector of what is seen in some state, shape (1, dimension).

        Raises:
            UsageError: The embedding cannot take what the format shows.
        """
        return self._embed([observation])

    def _mean(self, demonstration: Demonstration) -> Vectors:
        mean = self.embed_states(demonstration).mean(axis=0, keepdims=True, dtype=np.float64)
        return np.asarray(mean, np.float32)

    def _embed(self, observations: Iterable[Observation]) -> Vectors:
        left = iter(observations)
        batches = iter(lambda: list(islice(left, _BATCH)), [])
        return np.concatenate(self._alike(self._checked(batch) for batch in batches))

    def _alike(self, parts: Iterable[Vectors]) -> list[Vectors]:
        made: list[Vectors] = []
        for part in parts:
            made.append(part)
            if part.shape[1] != made[0].shape[1]:
                raise UsageError(
                    f"the embedding {self.embedding.name} gave vectors of {made[0].shape[1]} and "
                    f"of {part.shape[1]} numbers for {self._shown}; all need the same size"
                )
        return made

    def _checked(self, observations: Sequence[Observation]) -> Vectors:
        count = len(observations)
        try:
            vectors = np.asarray(self.embedding.embed(observations), np.float32)
        except UsageError as error:
            raise UsageError(f"{self._shown}: {error}") from error
        if vectors.ndim != 2 or len(vectors) != count:
            raise UsageError(
                f"the embedding {self.embedding.name} gave an array of shape {vectors.shape} for "
                f"{count} observations of {self._shown}; expected ({count}, dimension)"
            )
        if not np.isfinite(vectors).all():
            raise UsageError(
                f"the embedding {self.embedding.name} gave NaN or infinite numbers for "
                f"{self._shown}"
            )
        return vectors

    @property
    def _shown(self) -> str:
        return f"{self.task.name} {self.format}"


def space_for(
    task: Task[Any], format: str, opening: Opening, embedding: Embedding | None, of: Part
) -> Space:
    """Returns a space; without an embedding, with the one that suits the format.

    Args:
        task: The task.
        format: One of its formats.
        opening: One of its openings, to see what the format shows.
        embedding: The embedding, or None.
        of: What of a demonstration is embedded.
    """
    if embedding is None:
        name = _DEFAULTS.get(
            (*identify(task), format),
            lambda: embeddings.default_for(observe(task, format, opening)),
        )
        embedding = embeddings.make(name)
    return Space(task=task, format=format, embedding=embedding, of=of)


_DEFAULTS: Memo[Hashable, str] = Memo(256)


def identify(task: Task[Any]) -> tuple[str, ...]:
    """Returns what a task's observations depend on, for keys."""
    kind = type(task)
    settings = json.dumps(dict(task.settings), sort_keys=True)
    return (kind.__module__, kind.__qualname__, task.name, str(task.version), settings)


def observe(task: Task[Any], format: str, opening: Opening) -> Observation:
    """Returns the first observation of an episode."""
    with closing(task.make_env()) as env:
        task.reset(env, opening)
        return task.observe(env, format)


def observe_firsts(
    task: Task[Any], format: str, demonstrations: Iterable[Demonstration]
) -> Iterator[Observation]:
    """Yields the first observation of each demonstration.

    Raises:
        PoolError: A demonstration does not replay so far.
    """
    with closing(task.make_env()) as env:
        for whole, some in groupby(demonstrations, _played):
            if whole is not None:
                yield from _observe_windows(task, format, whole, some)
                continue
            for one in some:
                task.reset(env, one.opening)
                if state_digest(task, env) != one.steps[0].state:
                    raise PoolError(
                        f"demonstration {one.id} of {task.name} does not replay: it does not begin "
                        "in its opening; the pool is damaged or was made by another version of "
                        f"the task: build it again with `icil demos build {task.name}`"
                    )
                yield task.observe(env, format)


def _played(demonstration: Demonstration) -> Demonstration | None:
    """Returns what has to be played to see where a demonstration begins; None for its opening."""
    return demonstration.whole if isinstance(demonstration, Window) else None


def _observe_windows(
    task: Task[Any], format: str, whole: Demonstration, windows: Iterable[Demonstration]
) -> Iterator[Observation]:
    firsts = [window.first for window in windows if isinstance(window, Window)]
    wanted = set(firsts)
    with closing(replay(task, whole)) as steps:
        seen = {
            number: task.observe(env, format)
            for number, (env, _) in enumerate(islice(steps, max(wanted) + 1))
            if number in wanted
        }
    yield from (seen[first] for first in firsts)


def _states(task: Task[Any], format: str, demonstration: Demonstration) -> Iterator[Observation]:
    if not keeps_pictures(task, format):
        yield from (shown.observation for shown in render(task, demonstration, format))
        return
    for frame in render_pngs(task, demonstration, format):
        with Image.open(io.BytesIO(frame.content)) as image:
            yield Observation(image=np.asarray(image))
