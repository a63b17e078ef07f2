"""Targets: what pools can be exported to, by name.

A target is a function of a pool, its task, a path that does not exist yet, and an observation
format or None. Third parties list theirs under the entry-point group `icil.targets`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from icil.tasks.pools import Pool
from icil.tasks.registry import Registry
from icil.tasks.task import Task

Target = Callable[[Pool, Task[Any], Path, str | None], None]

_TARGETS: Registry[None] = Registry(
    "target",
    "icil.targets",
    {
        "lerobot": "icil.tasks.exchange.lerobot_target:write_lerobot",
        "lerobot-png": "icil.tasks.exchange.lerobot_target:write_lerobot_png",
        "minari": "icil.tasks.exchange.minari_target:write_minari",
        "parquet": "icil.tasks.exchange.parquet:write_parquet",
    },
)


def export_pool(
    pool: Pool, task: Task[Any], target: str, path: Path, *, format: str | None = None
) -> None:
    """Writes a pool in another layout.

    Args:
        pool: The pool.
        task: Its task, as it was set when the pool was made.
        target: The target's name.
        path: The new file or folder; it does not exist yet.
        format: An observation format to render as well, where the target holds such.

    Raises:
        UnknownNameError: There is no such target or format.
        PoolError: The path exists or cannot be written, or the pool does not replay.
        UsageError: The target needs a package that is not installed, or holds no formats.
    """
    write: Target = _TARGETS.find(target).factory
    if format is not None:
        task.check_format(format)
    write(pool, task, path, format)
