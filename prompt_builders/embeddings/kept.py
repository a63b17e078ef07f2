"""What was computed of a whole pool, kept in the cache (`prompt_builders/cache.py`).

An entry's name holds what it depends on: the pool's hash, the space, and the vectors of a few of
its demonstrations, made here and now. Where a world, an embedding or a user's function has
changed unnoticed, those have too.
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.cache import open_cache
from icil.prompt_builders.embeddings.space import Space, identify
from icil.tasks import Demonstration, Pool

Number = TypeVar("Number", bound=np.number[Any])

GROUP = "embeddings"
_LAYOUT = 1
"""Grows whenever what is computed of the same things changes."""
_SPECIMENS = 2


def is_whole(pool: Pool) -> bool:
    """Whether a pool has all the demonstrations that its hash stands for."""
    return len(pool.demonstrations) == pool.card.demonstrations


def in_order(pool: Pool) -> list[Demonstration]:
    """Returns a pool's demonstrations in the order of their ids."""
    return sorted(pool.demonstrations, key=lambda one: one.id)


def keep(
    kind: str, pool: Pool, space: Space, make: Callable[[], NDArray[Number]]
) -> NDArray[Number]:
    """Returns an array from the cache, or makes it, and keeps it if the pool is whole.

    Args:
        kind: What the array is.
        pool: What it is made of.
        space: How the pool is seen.
        make: Makes it.
    """
    if not is_whole(pool):
        return make()
    subject = Subject(kind, pool.hash, lambda: in_order(pool)[:_SPECIMENS])
    return keep_of(subject, space, make)


class Subject(NamedTuple):
    """What an array is made of."""

    kind: str
    """What the array is."""
    hash: str
    """Stands for all that it is made of, beside the space."""
    specimens: Callable[[], Sequence[Demonstration]]
    """Returns a few demonstrations of it."""


def keep_of(subject: Subject, space: Space, make: Callable[[], NDArray[Number]]) -> NDArray[Number]:
    """Returns an array from the cache, or makes and keeps it; otherwise as `keep`."""
    cache = open_cache()
    if cache is None:
        return make()
    name = f"{GROUP}/{_digest(subject, space)}"
    entry = cache.read(name)
    if entry is not None:
        kept: NDArray[Number] = np.load(io.BytesIO(entry), allow_pickle=False)
        return kept
    made = make()
    file = io.BytesIO()
    np.save(file, made, allow_pickle=False)
    cache.write(name, file.getvalue())
    return made


def _digest(subject: Subject, space: Space) -> str:
    specimens = space.embed_demonstrations(subject.specimens())
    identity: list[Any] = [_LAYOUT, subject.kind, subject.hash, *identify(space.task), space.format]
    identity += [space.embedding.name, space.of, specimens.shape, specimens.dtype.str]
    hasher = hashlib.blake2b(json.dumps(identity).encode(), digest_size=16)
    hasher.update(specimens.tobytes())
    return hasher.hexdigest()
