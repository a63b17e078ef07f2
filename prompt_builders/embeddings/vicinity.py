"""The vicinity of a state: which states of a pool are nearly the same.

Each different state that the demonstrations pass through is embedded in one format of the task,
that which tells most of a state: numbers, else text, else an image; the same states are near in
whatever format is played. Numbers are standardised over these states; vectors of texts and
images are projected to 64 dimensions by random signs, which keeps distances about as they are
(Johnson & Lindenstrauss). Near is within a tenth of the typical distance from an opening to its
nearest neighbour, the median: whatever a world's scale, another opening is not near, and where
openings that differ look the same, nothing is. Kept in the cache; see docs/leakage.md.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders import embeddings
from icil.prompt_builders.embeddings.embedding import Vectors
from icil.prompt_builders.embeddings.index import Numbers, Scale, learn_scale
from icil.prompt_builders.embeddings.kept import Subject, keep_of
from icil.prompt_builders.embeddings.memo import Memo
from icil.prompt_builders.embeddings.space import Space, identify, observe, space_for
from icil.tasks import Demonstration, Observation, Pool, Task, UsageError, replay
from icil.tasks.demonstrations import Window, state_digest
from icil.tasks.openings import take
from icil.tasks.seeding import generator

NEAR = 0.1
"""Within which share of the distance between neighbouring openings a state is near."""
LAYOUT = 1
"""Grows whenever other states are near than were."""

_DIMENSIONS = 64
_NEIGHBOURS = 256
"""Openings, evenly spaced among those of the pool, whose nearest neighbours are looked for."""
_FEWEST = 32
"""To a pool of fewer different openings the task's own are added when they are measured."""
_BATCH = 64
"""Observations that are embedded at a time."""

Done = Callable[[int, int], None]
"""Is told how many demonstrations are done, and how many there are."""


class Seen(NamedTuple):
    """The different states of a pool, by their digests, each list in a fixed order."""

    episodes: tuple[Demonstration, ...]
    """Of demonstrations that are windows, what they were cut from."""
    states: tuple[str, ...]
    """In the order in which they are first passed through."""
    openings: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Stands for them: equal for a pool and for its windows. 32 hexadecimal digits."""
        text = " ".join((*self.states, "", *self.openings))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def see(pool: Pool) -> Seen:
    """Returns the different states of a pool."""
    pool = pool.part_of or pool
    episodes = tuple(one for one, _ in groupby(pool.demonstrations, _whole))
    states = dict.fromkeys(step.state for one in episodes for step in one.steps)
    openings = dict.fromkeys(one.steps[0].state for one in episodes)
    return Seen(episodes, tuple(states), tuple(openings))


def _whole(demonstration: Demonstration) -> Demonstration:
    return demonstration.whole if isinstance(demonstration, Window) else demonstration


@dataclass(frozen=True, eq=False, kw_only=True)
class Vicinity:
    """The states of a pool as points."""

    space: Space
    states: tuple[str, ...]
    """Their digests, in the order of the points."""
    points: Numbers
    """Shape (states, dimension)."""
    scale: Scale
    typical: float
    """The median distance from an opening to the nearest other one."""

    def near(self, observation: Observation) -> frozenset[str]:
        """Returns the digests of the states near to what is seen, that same state's among them.

        Args:
            observation: In the space's format.
        """
        return self._within(self.place(observation))

    def place(self, observation: Observation) -> Numbers:
        """Returns the point of what is seen."""
        return np.asarray(_place(self.scale, _project(self.space, [observation]))[0])

    def near_to(self, state: str) -> frozenset[str]:
        """Returns the same for one of the pool's own states, by its digest."""
        return self._within(self.points[self._rows[state]])

    def _within(self, point: Numbers) -> frozenset[str]:
        if self.typical == 0:
            return frozenset()
        found = self._tree.query_ball_point(point, NEAR * self.typical)
        return frozenset(self.states[row] for row in found)

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {state: row for row, state in enumerate(self.states)}

    @cached_property
    def _tree(self) -> Any:
        return _tree(self.points)


def find_vicinity(task: Task[Any], pool: Pool, done: Done | None = None) -> Vicinity:
    """Returns the states of a pool as points, made once per process; may take long.

    Args:
        task: The task, with its actions called by their own names.
        pool: Its demonstrations.
        done: Is told how far it is.

    Raises:
        PoolError: A demonstration does not replay.
        UsageError: The task cannot be shown in the format that is compared.
    """
    seen = see(pool)
    key = (*identify(task), seen.hash)
    return _MADE.get(key, lambda: _make(task, seen, done or _ignore))


_MADE: Memo[Hashable, Vicinity] = Memo(8)


def _ignore(done: int, total: int) -> None: ...


def _make(task: Task[Any], seen: Seen, done: Done) -> Vicinity:
    opening = seen.episodes[0].opening
    space = space_for(task, _format(task, opening), opening, None, "opening")
    try:
        rows = _keep(space, seen, done)
    except UsageError:
        if space.embedding.name != "state":
            raise
        # Numbers that are infinite, or more in one state than in another; their text will do.
        text = embeddings.make("tfidf")
        space = Space(task=task, format=space.format, embedding=text)
        rows = _keep(space, seen, done)
    count = len(seen.states)
    scale = _scale(space, rows[:count])
    points = _place(scale, rows)
    among = {state: row for row, state in enumerate(seen.states)}
    openings = [*map(among.__getitem__, seen.openings), *range(count, len(rows))]
    return Vicinity(
        space=space,
        states=seen.states,
        points=points[:count],
        scale=scale,
        typical=_typical(points[openings]),
    )


def _format(task: Task[Any], opening: Any) -> str:
    """Returns the format that tells most of a state."""
    texts = [format for format in task.formats if format not in task.image_formats]
    for format in texts:
        if observe(task, format, opening).state is not None:
            return format
    return (*texts, *task.formats)[0]


def _scale(space: Space, rows: Vectors) -> Scale:
    """Numbers have units of their own; what texts and images are counted in is the same."""
    if space.embedding.name != "state":
        return learn_scale(rows, "plain")
    scale = learn_scale(rows, "standardised")
    # A number that is the same throughout the pool need not be so elsewhere.
    return Scale(scale.shift, np.where(scale.factor > 0, scale.factor, 1.0))


def _typical(openings: Numbers) -> float:
    """Returns the median distance from an opening to the nearest other one; 0 if there is none."""
    if len(openings) < 2:
        return 0.0
    chosen = np.linspace(0, len(openings) - 1, min(_NEIGHBOURS, len(openings))).astype(int)
    distances, _ = _tree(openings).query(openings[chosen], k=2)
    return float(np.median(distances[:, 1]))


def _tree(points: Numbers) -> Any:
    from scipy.spatial import KDTree

    return KDTree(points, compact_nodes=False, balanced_tree=False)  # quick to make


def _place(scale: Scale, rows: Vectors) -> Numbers:
    return np.asarray((rows - scale.shift) * scale.factor, np.float64)


def _keep(space: Space, seen: Seen, done: Done) -> Vectors:
    """Returns a row for each state, then one for each further opening of the task, if any."""
    subject = Subject("vicinity", f"{LAYOUT} {seen.hash}", lambda: seen.episodes[:2])
    return keep_of(subject, space, lambda: _embed(space, seen, done))


def _embed(space: Space, seen: Seen, done: Done) -> Vectors:
    made: list[Vectors] = []
    left = _observe(space, seen, done)
    while batch := list(islice(left, _BATCH)):
        made.append(_project(space, batch))
    return np.concatenate(made)


def _observe(space: Space, seen: Seen, done: Done) -> Iterator[Observation]:
    task, format = space.task, space.format
    known: set[str] = set()
    for number, episode in enumerate(seen.episodes):
        done(number, len(seen.episodes))
        if known.issuperset(episode.states):
            continue
        with closing(replay(task, episode)) as steps:
            for (env, _), step in zip(steps, episode.steps, strict=True):
                if step.state not in known:
                    known.add(step.state)
                    yield task.observe(env, format)
    done(len(seen.episodes), len(seen.episodes))
    yield from _openings(space, seen.openings)


def _openings(space: Space, openings: Sequence[str]) -> Iterator[Observation]:
    """Yields what further openings of the task look like, where a pool has few different ones."""
    known, source = set(openings), space.task.openings("demonstration")
    if len(known) >= _FEWEST:
        return
    with closing(space.task.make_env()) as env:
        for opening in take(source, min(_FEWEST, source.distinct or _FEWEST)):
            space.task.reset(env, opening)
            state = state_digest(space.task, env)
            if state not in known:
                known.add(state)
                yield space.task.observe(env, space.format)


def _project(space: Space, observations: Sequence[Observation]) -> Vectors:
    """Returns the vectors of observations, in fewer dimensions where they are not numbers."""
    raw = space.embed_observations(observations)
    if space.embedding.name == "state" or raw.shape[1] <= _DIMENSIONS:
        return raw
    return raw @ _signs(raw.shape[1])


def _signs(dimension: int) -> NDArray[np.float32]:
    # Sums of whole numbers, and so the same in whatever order a machine adds.
    drawn = generator("vicinity", dimension).integers(0, 2, (dimension, _DIMENSIONS))
    return (2 * drawn - 1).astype(np.float32)
