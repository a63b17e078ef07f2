"""Other people's demonstrations into pools, and pools into other layouts."""

from icil.tasks.exchange.recording import Played, Recording, UntrueError, play
from icil.tasks.exchange.sources import Imported, Recordings, Source, import_pool
from icil.tasks.exchange.targets import Target, export_pool

__all__ = [
    "Imported",
    "Played",
    "Recording",
    "Recordings",
    "Source",
    "Target",
    "UntrueError",
    "export_pool",
    "import_pool",
    "play",
]
