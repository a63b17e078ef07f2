"""The cache: what takes long to make and can always be made again, on disk.

Where: in the folder `ICIL_CACHE` (`off` or empty: no cache); where that is not set, in `icil` in
`XDG_CACHE_HOME` or `~/.cache`. A value has a file of its own, written aside and then renamed, so
that any number of threads, processes and machines may share the folder. The file begins with a
digest of its name and value: one that is damaged, cut short or misplaced is taken for missing.
Nothing here raises because of the disk: what cannot be read is made again, what cannot be
written is not kept. Where the files outgrow 8 GiB, those that were not read for longest go;
where less than 1 GiB would stay free on the disk, nothing is kept: a run needs them more.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

VARIABLE = "ICIL_CACHE"
LARGEST = 8 * 2**30
"""Bytes that the files may take."""
SPARE = 2**30
"""Bytes that must stay free on the disk."""

_DIGEST = 32
_SUFFIX = ".cached"
_SHARE = 8
"""One part in so many is what is written between two looks at the size, and what then goes."""


class DiskCache:
    """Named values in a folder, shared with whoever else uses it.

    A name is that of a group, a slash, and one within the group.

    Args:
        folder: Where; made when something is first kept. Other files in it are left alone.
        largest: Bytes that the files may take.
        spare: Bytes that must stay free on the disk.
    """

    def __init__(self, folder: Path, *, largest: int = LARGEST, spare: int = SPARE) -> None:
        self.folder = folder
        self._largest, self._spare = largest, spare
        self._unseen = largest
        """Bytes by which the files may have grown since their size was looked at."""

    def read(self, name: str) -> bytes | None:
        """Returns a value; None where there is none, or none that is whole."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        value = content[_DIGEST:]
        if content[:_DIGEST] != _digest(name, value):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return value

    def write(self, name: str, value: bytes) -> None:
        """Keeps a value, if that can be done."""
        path = self._path(name)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(path.parent).free < self._spare + len(value):
                return
            _put(path, _digest(name, value) + value)
            self._unseen += len(value)
            if self._unseen > self._largest // _SHARE:
                self._unseen = 0
                self._shrink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _shrink(self) -> None:
        """Removes what was not used for longest, where the files are too large together."""
        found = [(path, path.stat()) for path in self.folder.glob(f"*/*{_SUFFIX}")]
        size = sum(stat.st_size for _, stat in found)
        if size <= self._largest:
            return
        for path, stat in sorted(found, key=lambda file: file[1].st_mtime):
            path.unlink(missing_ok=True)
            size -= stat.st_size
            if size <= self._largest - self._largest // _SHARE:
                return


def open_cache() -> DiskCache | None:
    """Returns the cache of this process; None where there is to be none."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None and chosen.strip().lower() in ("", "off"):
        return None
    try:
        return _opened(Path(chosen).absolute() if chosen else _user_folder() / "icil")
    except (OSError, RuntimeError):  # no working directory, no home
        return None


def _user_folder() -> Path:
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return told if told.is_absolute() else Path.home() / ".cache"


_opened = cache(DiskCache)


def _put(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    handle, aside = tempfile.mkstemp(suffix=_SUFFIX, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _digest(name: str, value: bytes) -> bytes:
    hasher = hashlib.blake2b(name.encode() + b"\0", digest_size=_DIGEST)
    hasher.update(value)
    return hasher.digest()
