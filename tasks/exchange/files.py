"""New files: made under another name and moved into place, so that they are there whole."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from icil.tasks.errors import PoolError


@contextmanager
def new_path(path: Path) -> Iterator[Path]:
    """Yields where to make a file or folder that then becomes `path`.

    Raises:
        PoolError: It exists already, or cannot be written.
    """
    if path.exists():
        raise PoolError(f"{path} exists already; nothing is overwritten")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent.absolute()) as temporary:
            made = Path(temporary) / "made"
            yield made
            made.rename(path)
    except OSError as error:
        raise PoolError(f"cannot write {path}: {error}") from error
