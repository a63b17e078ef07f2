"""Random generators seeded by identity.

A generator is a function of who it is for (experiment seed, task, opening, step…) and of
nothing else: not of time, process ids, hash seeds, worker counts or the order of calls.
"""

import hashlib
import json

import numpy as np


def digest(*identity: str | int, size: int = 16) -> bytes:
    """Returns `size` bytes that stand for an identity; the same in every process."""
    text = json.dumps(identity, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def seed(*identity: str | int) -> int:
    """Returns a seed in [0, 2**32) for libraries that take a number."""
    return int.from_bytes(digest(*identity, size=4), "big")


def generator(*identity: str | int) -> np.random.Generator:
    """Returns a fresh generator for an identity; two calls give equal streams."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest(*identity), "big")))
