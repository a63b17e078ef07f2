"""All that a pool shows: a vector for each state of its demonstrations, ready to be compared.

How similar a demonstration is to a state is how similar the nearest of its own states is: what
an imitator wants is an episode that passes close by, and a mean over all its states would hide
that it does. Of equally near states the earliest counts. Equal vectors are kept once, weighted
and rounded as those of an index are, as whole numbers of 16 bits; what the pool's vectors tell
of weights, each different one tells once. Made once per pool and space, and kept in the cache.
"""

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.embeddings.embedding import Vectors
from icil.prompt_builders.embeddings.index import (
    Listed,
    Located,
    Numbers,
    Scale,
    cosines,
    learn_scale,
    list_ids,
    locate,
)
from icil.prompt_builders.embeddings.kept import in_order, is_whole, keep
from icil.prompt_builders.embeddings.memo import Memo
from icil.prompt_builders.embeddings.space import Space
from icil.tasks import Demonstration, Observation, Opening, Pool
from icil.tasks.demonstrations import Window

_CHUNK = 1024
"""Vectors that are compared at a time."""
_DIGEST = 16
"""Bytes that stand for a vector while equal ones are looked for."""


class Match(NamedTuple):
    """How similar a pool's demonstrations are to a state."""

    demonstrations: Numbers
    """Of each the similarity of its nearest state, −1 to 1."""
    states: Numbers
    """Of every state, one demonstration after the other."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StateIndex(Listed):
    """A vector for each different state that a pool's demonstrations show."""

    vectors: NDArray[np.int16]
    """Shape (different ones, dimension)."""
    numbers: NDArray[np.int32]
    """Which of the vectors each state has, one demonstration after the other."""
    firsts: NDArray[np.intp]
    """Where among the states each demonstration begins, and the last one ends."""

    @property
    def alike(self) -> bool:
        """Whether all are equal, so that none is nearer to anything than another."""
        return len(self.vectors) == 1

    def match(self, asked: Opening | Observation) -> Match:
        """Returns how similar the demonstrations are to an opening, or to what is seen.

        Raises:
            UsageError: Its vector is of another size than those of the pool.
        """
        one = self.query(asked)
        parts = [cosines(one, self._located(start)) for start in range(0, len(self), _CHUNK)]
        states = np.concatenate(parts)[self.numbers]
        return Match(np.maximum.reduceat(states, self.firsts[:-1]), states)

    def step(self, match: Match, row: int) -> int:
        """Returns which step of a demonstration matches best, from 0; the earliest of equals."""
        return int(np.argmax(match.states[self.firsts[row] : self.firsts[row + 1]]))

    def __len__(self) -> int:
        return len(self.vectors)

    def _located(self, start: int) -> Located:
        part = slice(start, start + _CHUNK)
        return Located(self.vectors[part].astype(np.float32), self._lengths[part])

    @cached_property
    def _lengths(self) -> Numbers:
        starts = range(0, len(self), _CHUNK)
        parts = (self.vectors[s : s + _CHUNK].astype(np.float32) for s in starts)
        return np.concatenate([locate(part).lengths for part in parts])


def find_states(pool: Pool, space: Space) -> StateIndex:
    """Returns the states of a pool, made once per process; may take long.

    Raises:
        PoolError: A demonstration does not replay.
        UsageError: The embedding cannot take what the format shows, or gave NaN.
    """
    pool = pool.part_of or pool
    part = None if is_whole(pool) else frozenset(one.id for one in pool.demonstrations)
    return _STATES.get((pool.hash, part, space.key), lambda: make_states(pool, space))


_STATES: Memo[Hashable, StateIndex] = Memo(8)


def make_states(pool: Pool, space: Space) -> StateIndex:
    """Makes the states of a pool, of vectors from the cache if there are any.

    Raises:
        PoolError: A demonstration does not replay.
        UsageError: The embedding cannot take what the format shows, or gave NaN.
    """
    demonstrations = in_order(pool)
    made = cache(lambda: _make(demonstrations, space))
    shift, factor = keep("scale of states", pool, space, lambda: np.stack(made().scale))
    ids, places = list_ids(pool)
    return StateIndex(
        space=space,
        ids=ids,
        places=places,
        scale=Scale(shift, factor),
        vectors=keep("different states", pool, space, lambda: made().vectors),
        numbers=keep("numbers of states", pool, space, lambda: made().numbers),
        firsts=np.cumsum([0, *(len(one.steps) for one in demonstrations)]),
    )


class _Made(NamedTuple):
    scale: tuple[Numbers, Numbers]
    """Shift and factor."""
    vectors: NDArray[np.int16]
    numbers: NDArray[np.int32]


def _make(demonstrations: Sequence[Demonstration], space: Space) -> _Made:
    known: dict[bytes, int] = {}
    numbers: list[int] = []
    fresh: list[Vectors] = []
    for row in chain.from_iterable(_embed(demonstrations, space)):
        key = hashlib.blake2b(row.tobytes(), digest_size=_DIGEST).digest()
        if key not in known:
            known[key] = len(known)
            fresh.append(row.copy())  # the array that it stands in need not be kept
        numbers.append(known[key])
    raw = np.stack(fresh)
    scale = learn_scale(raw, space.embedding.weighting)
    vectors = np.empty(raw.shape, np.int16)
    for start in range(0, len(raw), _CHUNK):
        vectors[start : start + _CHUNK] = scale.apply(raw[start : start + _CHUNK])
    return _Made((scale.shift, scale.factor), vectors, np.array(numbers, np.int32))


def _embed(demonstrations: Sequence[Demonstration], space: Space) -> Iterator[Vectors]:
    """Yields the raw vectors of each demonstration; an episode in windows is played once."""
    for whole, some in groupby(demonstrations, _whole):
        vectors = space.embed_states(whole)
        for one in some:
            first = one.first if isinstance(one, Window) else 0
            yield vectors[first : first + len(one.steps)]


def _whole(demonstration: Demonstration) -> Demonstration:
    return demonstration.whole if isinstance(demonstration, Window) else demonstration
