"""An index: a vector for each demonstration of a pool, ready to be compared.

The raw vectors are weighted by what the pool holds (see `Weighting`), brought to unit length
and rounded to whole numbers of 12 bits. The dot product of two such vectors is exact in
float32 in whatever order a machine adds, so that equal vectors are equally similar, ties are
ties, and the same demonstrations are chosen everywhere. The cosines are those of the rounded
vectors. Rows are in the order of the ids. An index is made once per pool and space.
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.embeddings.embedding import Vectors, Weighting
from icil.prompt_builders.embeddings.kept import in_order, is_whole, keep
from icil.prompt_builders.embeddings.memo import Memo
from icil.prompt_builders.embeddings.space import Space
from icil.tasks import Demonstration, Observation, Opening, Pool, UsageError

Numbers = NDArray[np.float64]

_LARGEST = 2**12
"""The length of a rounded vector: the products of two add up to less than 2**24."""
_CHUNK = 4096
"""Rows that are weighted at a time."""


@dataclass(frozen=True, eq=False)
class Scale:
    """What is done with raw vectors, learned from those of a pool."""

    shift: Numbers
    factor: Numbers

    def apply(self, raw: Vectors) -> Vectors:
        """Returns vectors weighted, of one length, and rounded to whole numbers."""
        largest = _LARGEST - np.ceil(np.sqrt(raw.shape[1]) / 2)  # rounding may lengthen them
        made = np.empty(raw.shape, np.float32)
        for start in range(0, len(raw), _CHUNK):
            part = (raw[start : start + _CHUNK] - self.shift) * self.factor
            lengths = np.linalg.norm(part, axis=1, keepdims=True)
            unit = np.divide(part, lengths, out=np.zeros_like(part), where=lengths > 0)
            made[start : start + _CHUNK] = np.rint(unit * largest) + 0.0  # no negative zeros
        return made


def learn_scale(raw: Vectors, weighting: Weighting) -> Scale:
    """Returns how the vectors of a pool, and of what is compared with them, are weighted."""
    zeros, ones = np.zeros(raw.shape[1]), np.ones(raw.shape[1])
    if weighting == "plain":
        return Scale(zeros, ones)
    if weighting == "idf":
        holding = np.count_nonzero(raw, axis=0)
        return Scale(zeros, np.log((1 + len(raw)) / (1 + holding)) + 1)
    mean = raw.mean(axis=0, dtype=np.float64)
    if weighting == "centred":
        return Scale(mean, ones)
    spread = raw.std(axis=0, dtype=np.float64)
    varies = raw.min(axis=0) < raw.max(axis=0)  # the spread of equal numbers need not be 0
    return Scale(mean, np.divide(1, spread, out=zeros, where=varies & (spread > 0)))


@dataclass(frozen=True, eq=False)
class Located:
    """Vectors of an index: whole numbers, and their lengths."""

    vectors: Vectors
    lengths: Numbers

    def at(self, rows: NDArray[np.intp] | slice) -> "Located":
        """Returns some of them."""
        return Located(self.vectors[rows], self.lengths[rows])


def locate(vectors: Vectors) -> Located:
    """Returns rounded vectors with their lengths."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    return Located(vectors, np.sqrt(squares, dtype=np.float64))


def cosines(one: Located, others: Located) -> Numbers:
    """Returns how similar one vector is to each of others, −1 to 1; 0 to one without length.

    Args:
        one: A single vector.
        others: Any number.
    """
    # Several threads select at a time: einsum starts none of its own, and is the quicker for it.
    dots = np.einsum("ij,j->i", others.vectors, one.vectors[0]).astype(np.float64)
    return _over(dots, others.lengths * one.lengths[0])


def all_cosines(some: Located, others: Located) -> Numbers:
    """Returns how similar each vector is to each of others, shape (some, others)."""
    dots = (some.vectors @ others.vectors.T).astype(np.float64)
    return _over(dots, some.lengths[:, None] * others.lengths)


def _over(dots: Numbers, lengths: Numbers) -> Numbers:
    return np.asarray(np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0))


class Found(NamedTuple):
    """Demonstrations in the order of their ids."""

    rows: NDArray[np.intp]
    """Of the index."""
    places: NDArray[np.intp]
    """In the pool that was asked about."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Listed:
    """Demonstrations of a pool, in the order of the ids, and how what they show is compared."""

    space: Space
    ids: tuple[str, ...]
    places: NDArray[np.intp]
    """Where each is in the pool."""
    scale: Scale

    @cached_property
    def _row(self) -> Mapping[str, int]:
        return {id: row for row, id in enumerate(self.ids)}

    def find(self, pool: Pool) -> Found:
        """Returns where the demonstrations of a part of the pool are, or of the pool itself."""
        if len(pool.demonstrations) == len(self.ids):
            return Found(np.arange(len(self.ids)), self.places)
        ids = map(attrgetter("id"), pool.demonstrations)
        rows = np.fromiter(map(self._row.__getitem__, ids), np.intp)
        places = np.argsort(rows, kind="stable")
        return Found(rows[places], places)

    def query(self, asked: Opening | Observation) -> Located:
        """Returns the vector of an episode's opening, or of what is seen in some state.

        Raises:
            UsageError: It is of another size than those of the pool.
        """
        raw, expected = self._embed(asked), self.scale.shift.shape[0]
        if raw.shape[1] != expected:
            what = "an opening" if isinstance(asked, Opening) else "a state"
            raise UsageError(
                f"the embedding {self.space.embedding.name} gave a vector of {raw.shape[1]} "
                f"numbers for {what}, and of {expected} for those of the pool"
            )
        return locate(self.scale.apply(raw))

    def _embed(self, asked: Opening | Observation) -> Vectors:
        if isinstance(asked, Observation):
            return self.space.embed_observation(asked)
        key = (self.space.key, asked.split, asked.index, json.dumps(dict(asked.state)))
        return _QUERIES.get(key, lambda: self.space.embed_opening(asked))


@dataclass(frozen=True, eq=False, kw_only=True)
class Index(Listed):
    """A vector for each demonstration of a pool, in the order of the ids."""

    rows: Located

    @cached_property
    def alike(self) -> bool:
        """Whether all are equal, so that none is nearer to anything than another."""
        return bool((self.rows.vectors == self.rows.vectors[0]).all())


def find_index(pool: Pool, space: Space) -> Index:
    """Returns the index of a pool, made once per process; may take long.

    Raises:
        PoolError: A demonstration does not replay.
        UsageError: The embedding cannot take what the format shows, or gave NaN.
    """
    pool = pool.part_of or pool
    part = None if is_whole(pool) else frozenset(one.id for one in pool.demonstrations)
    return _INDEXES.get((pool.hash, part, space.key), lambda: make_index(pool, space))


def make_index(pool: Pool, space: Space) -> Index:
    """Makes the index of a pool, of raw vectors from the cache if there are any.

    Raises:
        PoolError: A demonstration does not replay.
        UsageError: The embedding cannot take what the format shows, or gave NaN.
    """
    raw = _raw(pool, space)
    scale = learn_scale(raw, space.embedding.weighting)
    ids, places = list_ids(pool)
    return Index(space=space, ids=ids, places=places, scale=scale, rows=locate(scale.apply(raw)))


class Ids(NamedTuple):
    """The ids of a pool's demonstrations, in their order."""

    ids: tuple[str, ...]
    places: NDArray[np.intp]
    """Where each is in the pool."""


def list_ids(pool: Pool) -> Ids:
    """Returns the ids of a pool's demonstrations."""
    ids = [one.id for one in pool.demonstrations]
    places = sorted(range(len(ids)), key=ids.__getitem__)
    return Ids(tuple(ids[place] for place in places), np.array(places, np.intp))


_INDEXES: Memo[Hashable, Index] = Memo(16)
_QUERIES: Memo[Hashable, Vectors] = Memo(4096)
"""Openings to their raw vectors, shape (1, dimension)."""


class _Rows:
    """The raw vectors of a pool's demonstrations, each made once whatever parts are asked for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, Vectors] = {}

    def of(self, space: Space, demonstrations: Sequence[Demonstration]) -> Vectors:
        """Returns the vectors of some demonstrations."""
        with self._lock:
            missing = [one for one in demonstrations if one.id not in self._known]
            if missing:
                vectors = space.embed_demonstrations(missing)
                self._known.update(zip((one.id for one in missing), vectors, strict=True))
            return np.stack([self._known[one.id] for one in demonstrations])


_ROWS: Memo[Hashable, _Rows] = Memo(16)


def _raw(pool: Pool, space: Space) -> Vectors:
    demonstrations = in_order(pool)
    if is_whole(pool):
        return keep("vectors", pool, space, lambda: space.embed_demonstrations(demonstrations))
    return _ROWS.get((pool.hash, space.key), _Rows).of(space, demonstrations)
