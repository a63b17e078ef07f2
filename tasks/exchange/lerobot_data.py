"""LeRobotDataset folders, read without `lerobot`: layouts v3 and v2.

    v3   data/chunk-000/file-000.parquet, videos/KEY/chunk-000/file-000.mp4: several episodes;
         meta/episodes/**.parquet says where each stands, meta/tasks.parquet what was to be done
    v2   data/chunk-000/episode_000000.parquet, videos/chunk-000/KEY/episode_000000.mp4: one each;
         meta/episodes.jsonl, meta/tasks.jsonl

Both describe themselves in meta/info.json: names, dtypes and shapes of what each frame holds, and
the patterns of the paths above. Frames are videos, or PNGs in the tables.
"""

import hashlib
import importlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.errors import PoolError, UsageError
from icil.tasks.seeding import digest

STATE, ACTION, IMAGES = "observation.state", "action", "observation.image"
REWARD, TIME, EPISODE = "next.reward", "timestamp", "episode_index"
_INFO = "meta/info.json"
_PICTURES = ("image", "video")
_NUMBERS = ("float16", "float32", "float64")
_LAYOUTS = ("v2.0", "v2.1", "v3.")
_TABLES, _SHOTS = (".parquet", ".jsonl"), (".mp4", ".png")
"""Files that tell of a data set's content, by their hashes and by their sizes."""
_DAMAGE = (
    ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError
)  # fmt: skip
"""What damaged files raise; pyarrow's own errors are among these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Where an episode stands."""

    index: int
    length: int
    """Frames."""
    tasks: tuple[str, ...]
    """What was to be done."""
    data: Path
    """Its table, which may hold others too."""
    videos: Mapping[str, tuple[Path, float]]
    """By camera its video, which may hold others too, and where it begins there, in seconds."""


class LeRobotData:
    """A data set.

    Args:
        folder: Its folder.

    Raises:
        PoolError: It is none, of another layout, or damaged.
        UsageError: pyarrow is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parquet = arrow("parquet")
        if not (folder / _INFO).is_file():
            raise PoolError(f"{folder} is no LeRobotDataset: there is no {_INFO} in it")
        with reading(folder):
            self.info: Mapping[str, Any] = json.loads((folder / _INFO).read_text("utf-8"))
            self.layout, self.fps = str(self.info["codebase_version"]), float(self.info["fps"])
            self._features: Mapping[str, Mapping[str, Any]] = self.info["features"]
            kinds = {key: str(one["dtype"]) for key, one in self._features.items()}
            seen = [key for key, kind in kinds.items() if kind in _PICTURES]
            self.cameras = tuple(key for key in seen if not self._is_depth(key))
            """The keys of its cameras, without those of depth."""
        if not self.layout.startswith(_LAYOUTS):
            raise PoolError(f"{folder} is of layout {self.layout}; v2.0, v2.1 and v3.0 can be read")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise PoolError(f"{folder} says that it has {self.fps:g} frames a second")
        self._filmed = tuple(key for key in self.cameras if kinds[key] == "video")

    def has(self, key: str) -> bool:
        """Returns whether each frame holds something under a key."""
        return key in self._features

    def width(self, key: str) -> int:
        """Returns how many numbers each frame holds under a key.

        Raises:
            PoolError: What it holds there is no vector of floats.
        """
        feature = self._features.get(key, {})
        kind, shape = feature.get("dtype"), feature.get("shape")
        match shape:
            case [int(width)] if kind in _NUMBERS and width > 0:
                return width
        what = f"{kind} of shape {shape!r:.60}" if feature else "nothing"
        raise PoolError(f"{self.folder} holds no vectors of floats as {key!r}, but {what}")

    @cached_property
    def episodes(self) -> tuple[Episode, ...]:
        """All episodes, in the order of their indices.

        Raises:
            PoolError: The data set is damaged.
        """
        with reading(self.folder):
            found = sorted(
                self._listed() if self.layout.startswith("v3") else self._listed_by_line(),
                key=lambda one: one.index,
            )
        if not found or [one.index for one in found] != list(range(len(found))):
            raise PoolError(f"{self.folder} does not list its episodes from 0 on without gaps")
        if short := [one.index for one in found if one.length < 1]:
            raise PoolError(f"{self.folder}: episode {short[0]} has no frames")
        return tuple(found)

    def vectors(self, episode: Episode, *keys: str) -> tuple[NDArray[np.float32], ...]:
        """Reads vectors of an episode.

        Args:
            episode: One of `episodes`.
            keys: What of it.

        Returns:
            For each key, shape (frames, width).

        Raises:
            PoolError: They are damaged, or not there.
        """
        table = self._rows(episode, keys)
        found = []
        for key in keys:
            with reading(self.folder):
                values = _numbers(table[key])
            if values.shape != (episode.length, self.width(key)) or not np.isfinite(values).all():
                raise PoolError(
                    f"{self.folder}: episode {episode.index} holds {values.shape[1]} numbers as "
                    f"{key!r} in {values.shape[0]} frames, or some that are not finite, where "
                    f"{self.width(key)} in {episode.length} were announced"
                )
            found.append(values)
        return tuple(found)

    def rewards(self, episode: Episode) -> NDArray[np.float32] | None:
        """Reads the rewards of an episode, shape (frames,); None where there are none.

        Raises:
            PoolError: They are damaged.
        """
        feature = self._features.get(REWARD, {})
        if feature.get("dtype") not in _NUMBERS or feature.get("shape") != [1]:
            return None
        return self.vectors(episode, REWARD)[0][:, 0]

    def pictures(self, episode: Episode, camera: str) -> Iterator[NDArray[np.uint8]]:
        """Yields the frames of an episode, each of shape (height, width, 3), RGB.

        Raises:
            PoolError: They are damaged, or fewer than there should be.
            UsageError: What reads videos is not installed.
        """
        from icil.tasks.exchange.lerobot_frames import read_png, read_video

        if camera in self._filmed:
            path, begin = episode.videos[camera]
            times = [begin + number / self.fps for number in range(episode.length)]
            yield from read_video(path, times, 0.5 / self.fps)
            return
        for row in self._rows(episode, (camera,))[camera]:
            with reading(self.folder):
                said = row.as_py()
                data = said["bytes"]
                if data is None:
                    data = self._inside(str(said["path"])).read_bytes()
                picture = read_png(data)
            yield picture

    def action_bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns the least and the most of each number of an action, over all episodes.

        Raises:
            PoolError: They are damaged.
        """
        width, low, high = self.width(ACTION), [], []
        for path in dict.fromkeys(one.data for one in self.episodes):
            with reading(path):
                column = self._parquet.read_table(path, columns=[ACTION])[ACTION]
                values = _numbers(column)
            if values.shape[1] != width or not np.isfinite(values).all():
                raise PoolError(f"{path} holds actions that are not {width} finite numbers each")
            low.append(values.min(axis=0))
            high.append(values.max(axis=0))
        return np.min(low, axis=0), np.max(high, axis=0)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that stand for its content; of its videos and pictures for sizes.

        Raises:
            PoolError: A file cannot be read.
        """
        told = []
        with reading(self.folder):
            for path in sorted(self.folder.rglob("*")):
                name = path.relative_to(self.folder).as_posix()
                if path.suffix in _TABLES or name == _INFO:
                    with path.open("rb") as file:
                        told.append(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}")
                elif path.suffix in _SHOTS:
                    told.append(f"{name} {path.stat().st_size}")
        return digest("\n".join(told), size=8).hex()

    def _rows(self, episode: Episode, keys: Sequence[str]) -> Any:
        """Returns what a table holds of an episode."""
        with reading(episode.data):
            table = self._parquet.read_table(
                episode.data, columns=list(keys), filters=[(EPISODE, "==", episode.index)]
            )
        if table.num_rows != episode.length:
            raise PoolError(
                f"{episode.data} holds {table.num_rows} frames of episode {episode.index}, where "
                f"{episode.length} were announced"
            )
        return table

    def _listed(self) -> Iterator[Episode]:
        """Yields the episodes that v3 lists."""
        paths = sorted((self.folder / "meta" / "episodes").glob("*/*.parquet"))
        wanted = ("chunk_index", "file_index", "from_timestamp")
        for path in paths:
            known = self._parquet.read_schema(path).names
            columns = [name for name in known if not name.startswith("stats/")]
            for row in self._parquet.read_table(path, columns=columns).to_pylist():
                videos = {}
                for key in self._filmed:
                    chunk, file, begin = (row[f"videos/{key}/{one}"] for one in wanted)
                    where = self.info["video_path"].format(
                        video_key=key, chunk_index=chunk, file_index=file
                    )
                    videos[key] = (self._inside(where), float(begin))
                data = self.info["data_path"].format(
                    chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
                )
                yield Episode(
                    index=int(row["episode_index"]),
                    length=int(row["length"]),
                    tasks=tuple(map(str, row["tasks"])),
                    data=self._inside(data),
                    videos=videos,
                )

    def _listed_by_line(self) -> Iterator[Episode]:
        """Yields the episodes that v2 lists."""
        chunks = int(self.info.get("chunks_size", 1000))
        lines = (self.folder / "meta" / "episodes.jsonl").read_text("utf-8").splitlines()
        for row in map(json.loads, filter(str.strip, lines)):
            index = int(row["episode_index"])
            place = {"episode_chunk": index // chunks, "episode_index": index}
            yield Episode(
                index=index,
                length=int(row["length"]),
                tasks=tuple(map(str, row["tasks"])),
                data=self._inside(self.info["data_path"].format(**place)),
                videos={
                    key: (self._inside(self.info["video_path"].format(video_key=key, **place)), 0.0)
                    for key in self._filmed
                },
            )

    def _inside(self, name: str) -> Path:
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise PoolError(f"{self.folder} names the file {name}, which is outside of it")
        return path

    def _is_depth(self, key: str) -> bool:
        feature = self._features[key]
        told = {**(feature.get("video_info") or {}), **(feature.get("info") or {})}
        return bool(told.get("is_depth_map") or told.get("video.is_depth_map"))


def _numbers(column: Any) -> NDArray[np.float32]:
    """Returns a column of numbers, or of lists of them, as an array of shape (rows, width).

    Raises:
        ValueError: They are no numbers, or the lists are not of one length.
    """
    rows, lists = len(column), arrow("compute")
    if hasattr(column.type, "value_type"):
        lengths = lists.list_value_length(column).unique().to_pylist()
        if len(lengths) != 1 or None in lengths:
            raise ValueError(f"frames hold lists of different lengths: {lengths[:5]}")
        column = lists.list_flatten(column)
    with np.errstate(over="ignore"):  # what is too large for a float32 is not finite then
        numbers: NDArray[np.float32] = column.to_numpy().astype(np.float32)
    return numbers.reshape(rows, -1)


@contextmanager
def reading(where: Path) -> Iterator[None]:
    """Tells of what is wrong with a data set in one line.

    Raises:
        PoolError: What is read is damaged or not there.
    """
    try:
        yield
    except PoolError:
        raise
    except _DAMAGE as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise PoolError(f"{where} cannot be read as a LeRobotDataset: {what:.300}") from error


def arrow(module: str) -> Any:
    """Returns a module of pyarrow.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module(f"pyarrow.{module}")
    except ModuleNotFoundError as error:
        raise UsageError(
            "LeRobot data sets take packages more: pip install 'icil[lerobot]'"
        ) from error
