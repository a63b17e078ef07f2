"""What was computed of a whole pool, kept in the cache (`prompt_builders/cache.py`).

An entry's name holds what it depends on: the pool's hash, the space, and the vectors of a few of
its demonstrations, made here and now. Where a world, an embedding or a user's function has
changed unnoticed, those have too.
"""

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.cache import open_cache
from icil.prompt_builders.embeddings.space import Space, identify
from icil.tasks import Demonstration, Pool

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
    kind: str, pool: Pool, space: Space, make: Callable[[], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Returns an array from the cache, or makes it, and keeps it if the pool is whole.

    Args:
        kind: What the array is.
        pool: What it is made of.
        space: How the pool is seen.
        make: Makes it.
    """
    cache = open_cache() if is_whole(pool) else None
    if cache is None:
        return make()
    name = f"{GROUP}/{_digest(kind, pool, space)}"
    entry = cache.read(name)
    if entry is not None:
        kept: NDArray[np.float32] = np.load(io.BytesIO(entry), allow_pickle=False)
        return kept
    made = make()
    file = io.BytesIO()
    np.save(file, made, allow_pickle=False)
    cache.write(name, file.getvalue())
    return made


def _digest(kind: str, pool: Pool, space: Space) -> str:
    specimens = space.embed_demonstrations(in_order(pool)[:_SPECIMENS])
    identity: list[Any] = [_LAYOUT, kind, pool.hash, *identify(space.task), space.format]
    identity += [space.embedding.name, space.of, specimens.shape, specimens.dtype.str]
    hasher = hashlib.blake2b(json.dumps(identity).encode(), digest_size=16)
    hasher.update(specimens.tobytes())
    return hasher.hexdigest()
