"""Local policies that answer with actions: their wire formats, maps, chunks and servers."""

from icil.harness.policies.checks import Chunk, ChunkError, check_chunk
from icil.harness.policies.codec import CodecError, pack, unpack
from icil.harness.policies.executor import ChunkExecutor, Execution
from icil.harness.policies.map_file import presets
from icil.harness.policies.mapping import Mapped, ObservationMap
from icil.harness.policies.pictures import PictureFormat

__all__ = [
    "Chunk",
    "ChunkError",
    "ChunkExecutor",
    "CodecError",
    "Execution",
    "Mapped",
    "ObservationMap",
    "PictureFormat",
    "check_chunk",
    "pack",
    "presets",
    "unpack",
]
