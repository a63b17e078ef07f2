"""Pools as commands name them."""

from pathlib import Path


def pool_folder(pool: str) -> Path:
    """Returns the folder of a pool named by its path, or by its task if it ships with icil."""
    from icil.tasks import PoolError, UnknownNameError, names
    from icil.tasks.pools import read_card, shipped_pool

    folder, shipped = Path(pool), shipped_pool(pool)
    if folder.exists():
        return folder
    # Several names may share a folder's; the card knows whose it is.
    if shipped.exists() and read_card(shipped).task == pool:
        return shipped
    families = tuple(name for name in names() if not name[-1].isalnum())
    if pool not in names() and not pool.startswith(families):
        raise UnknownNameError("pool or task", pool, names())
    raise PoolError(f"no pool of {pool} ships with icil; name a folder with one")
