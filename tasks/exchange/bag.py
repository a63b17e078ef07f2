"""Bag files: sequences of byte records, as LMAct publishes its demonstrations.

A `.bag` is the records one after the other, then the end of each as a little-endian int64; the
last of these is also where they begin. A `.bagz` compresses each record with Zstandard. The
package `bagz` reads them too, but has wheels for Linux alone and, outside them, is a C++ build.
"""

import importlib
from pathlib import Path

import numpy as np

from icil.tasks.errors import PoolError, UsageError

SUFFIXES = (".bag", ".bagz")
_WORD = 8
"""Bytes of an offset."""


def find_bag(folder: Path, stream: str) -> Path | None:
    """Returns the file of a stream such as `actions_txt`, compressed or not; None if none is."""
    return next((p for s in SUFFIXES if (p := folder / (stream + s)).is_file()), None)


def read_bag(path: Path) -> tuple[bytes, ...]:
    """Reads all the records of a file.

    Raises:
        PoolError: It cannot be read, or is no such file, or is damaged.
        UsageError: It is compressed, and what decompresses it is not installed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PoolError(f"{path} cannot be read: {error.strerror}") from error
    if not data:
        return ()
    records = _split(path, data)
    return _decompress(path, records) if path.suffix == ".bagz" else records


def _split(path: Path, data: bytes) -> tuple[bytes, ...]:
    if len(data) < _WORD:
        raise PoolError(f"{path} is damaged: {len(data)} bytes are too few for a bag")
    begin = int.from_bytes(data[-_WORD:], "little")
    if begin > len(data) - _WORD or (len(data) - begin) % _WORD:
        raise PoolError(
            f"{path} is damaged, cut off or no bag: its end says that the offsets begin at byte "
            f"{begin} of {len(data)}"
        )
    ends = np.frombuffer(data, "<u8", offset=begin).tolist()
    starts = [0, *ends[:-1]]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if not start <= end <= begin:
            raise PoolError(
                f"{path} is damaged: record {number} would go from byte {start} to byte {end}"
            )
    return tuple(data[start:end] for start, end in zip(starts, ends, strict=True))


def _decompress(path: Path, records: tuple[bytes, ...]) -> tuple[bytes, ...]:
    try:
        zstandard = importlib.import_module("zstandard")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{path} is compressed, which takes a package more: pip install 'icil[bagz]'"
        ) from error
    found = []
    for number, record in enumerate(records):
        reader = zstandard.ZstdDecompressor().decompressobj()
        try:
            found.append(reader.decompress(record) if record else b"")
        except zstandard.ZstdError as error:
            raise PoolError(f"{path} is damaged: record {number}: {error}") from error
        if record and not reader.eof:
            raise PoolError(f"{path} is damaged: record {number} is cut off")
    return tuple(found)
