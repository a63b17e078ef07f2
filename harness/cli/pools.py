"""Pools as commands name them."""

from pathlib import Path


def pool_folder(pool: str) -> Path:
    """Returns the folder of a pool named by its path, or by its task if it ships with icil."""
    from icil.tasks import PoolError, UnknownNameError, names
    from icil.tasks.pools import shipped_pool

    folder = Path(pool)
    if folder.exists():
        return folder
    if pool not in names():
        raise UnknownNameError("pool or task", pool, names())
    if not shipped_pool(pool).exists():
        raise PoolError(f"no pool of {pool} ships with icil; name a folder with one")
    return shipped_pool(pool)
