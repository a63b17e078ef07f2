"""LeRobotDatasets (v3) as a target: what `lerobot` loads, and `icil demos import` takes back.

Each frame holds `observation.state` (the numbers that the body knows of itself), `action`,
`next.reward`, `next.done` and, with an image format, `observation.images.VIEW` for each view of
the task, as H.264 video (`lerobot`) or as PNG (`lerobot-png`). A video holds one episode, a table
as many as fit into 100 MB. The task's instruction is what is to be done.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from icil.tasks.demonstrations import Demonstration, replay
from icil.tasks.errors import UsageError
from icil.tasks.exchange.files import new_path
from icil.tasks.exchange.lerobot import NOTES, NotedEpisode, Notes
from icil.tasks.exchange.lerobot_data import ACTION, REWARD, STATE, arrow
from icil.tasks.exchange.lerobot_frames import (
    CODEC,
    Frame,
    pixels_of,
    video_library,
    write_png,
    write_video,
)
from icil.tasks.pools import Pool
from icil.tasks.task import Task

_LAYOUT = "v3.0"
_FILES, _TABLE_MB, _VIDEO_MB = 1000, 100, 200
"""Files of a folder, and megabytes of a file, at most; LeRobot's own."""
_TABLE = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
_EPISODES = "meta/episodes/chunk-000/file-000.parquet"
_FPS = 10
"""Of worlds that do not say how fast they are."""
_QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)

Stats = Mapping[str, Mapping[str, Any]]
"""By feature and name of the statistic."""


def write_lerobot(pool: Pool, task: Task[Any], path: Path, format: str | None) -> None:
    """Writes a pool as a data set, frames as video.

    Args:
        pool: The pool.
        task: Its task.
        path: The new folder.
        format: An image format, for the frames of all the task's views; None, or a format of
            text, for none.

    Raises:
        PoolError: The folder exists or cannot be written, or the pool does not replay.
        UsageError: The task's actions are no vectors, or what writes data sets is not installed.
    """
    _write(pool, task, path, format, filmed=True)


def write_lerobot_png(pool: Pool, task: Task[Any], path: Path, format: str | None) -> None:
    """Writes a pool as a data set, frames as PNG; otherwise as `write_lerobot`."""
    _write(pool, task, path, format, filmed=False)


def _write(pool: Pool, task: Task[Any], path: Path, format: str | None, *, filmed: bool) -> None:
    arrow("parquet")
    if task.action_box is None:
        raise UsageError(
            f"the actions of {task.name} are no vectors, which are all that a LeRobotDataset holds"
        )
    views = task.views if format in task.image_formats else ()
    if views and filmed:
        video_library()
    with new_path(path) as made:
        writer = _Writer(made, task, views, filmed=filmed)
        with closing(writer):
            for demonstration in pool.demonstrations:
                writer.add(demonstration)
        writer.finish(pool)


@dataclass(kw_only=True)
class _Shots:
    """What is written of an episode."""

    states: list[Any] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    frames: dict[str, list[Frame]] = field(default_factory=dict)


class _Writer:
    """Writes a data set, episode by episode.

    Args:
        folder: The new folder.
        task: What is demonstrated.
        views: Those that are drawn.
        filmed: Whether as videos.
    """

    def __init__(
        self, folder: Path, task: Task[Any], views: tuple[str, ...], *, filmed: bool
    ) -> None:
        self._folder, self._task, self._filmed = folder, task, filmed
        self._views = {f"observation.images.{view}": view for view in views}
        self._fps = _fps(task)
        self._features: dict[str, dict[str, Any]] = {}
        self._episodes: list[dict[str, Any]] = []
        self._numbers: dict[str, list[Any]] = {}
        """By feature the numbers of all episodes, for their statistics."""
        self._shades: dict[str, list[_Shades]] = {}
        self._frames = 0
        self._table: Any = None
        self._file = 0

    def add(self, demonstration: Demonstration) -> None:
        """Plays a demonstration again and writes it.

        Raises:
            PoolError: It does not replay.
        """
        shots = self._shoot(demonstration)
        number, count = len(self._episodes), len(demonstration.steps)
        rewards = [step.reward for step in demonstration.steps]
        columns: dict[str, Any] = {
            **({STATE: np.stack(shots.states).astype(np.float32)} if shots.states else {}),
            ACTION: np.stack(shots.actions).astype(np.float32),
            REWARD: np.array(rewards, np.float32)[:, None],
            "next.done": np.arange(count)[:, None] == count - 1,
            "timestamp": (np.arange(count) / self._fps).astype(np.float32)[:, None],
            "frame_index": np.arange(count)[:, None],
            "episode_index": np.full((count, 1), number),
            "index": self._frames + np.arange(count)[:, None],
            "task_index": np.zeros((count, 1), np.int64),
        }
        if not self._features:
            self._features = self._described(columns, shots)
        stats = {key: _statistics(values) for key, values in columns.items()}
        for key, values in columns.items():
            self._numbers.setdefault(key, []).append(values)
        for key, frames in shots.frames.items():
            shades = _Shades.of(frames)
            self._shades.setdefault(key, []).append(shades)
            stats[key] = shades.statistics()
        row = self._placed(number, count, stats)
        pictures = {} if self._filmed else shots.frames
        self._write_rows(columns, pictures)
        self._episodes.append(row)
        self._frames += count
        for key, frames in shots.frames.items() if self._filmed else ():
            file = self._folder / _VIDEO.format(
                video_key=key, chunk_index=number // _FILES, file_index=number % _FILES
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            write_video(file, frames, self._fps)

    def close(self) -> None:
        """Closes the table that is being written."""
        if self._table is not None:
            self._table.close()
            self._table = None

    def finish(self, pool: Pool) -> None:
        """Writes what describes the data set."""
        import pandas as pd

        task, parquet = self._task, arrow("parquet")
        meta = self._folder / "meta"
        (self._folder / _EPISODES).parent.mkdir(parents=True)
        parquet.write_table(
            arrow("lib").Table.from_pylist(self._episodes), self._folder / _EPISODES
        )
        said = pd.Index([task.instruction or task.summary], name="task")
        pd.DataFrame({"task_index": [0]}, index=said).to_parquet(meta / "tasks.parquet")
        _write_json(meta / "info.json", self._info())
        stats = {key: _statistics(np.concatenate(all)) for key, all in self._numbers.items()}
        for key, shades in self._shades.items():
            stats[key] = _Shades.together(shades).statistics()
        _write_json(meta / "stats.json", stats)
        notes = Notes(card=pool.card, episodes=tuple(map(_noted, pool.demonstrations)))
        (self._folder / NOTES).write_text(notes.model_dump_json(), "utf-8")

    def _shoot(self, demonstration: Demonstration) -> _Shots:
        task, shots = self._task, _Shots(frames={key: [] for key in self._views})
        with closing(replay(task, demonstration)) as steps:
            for env, action in steps:
                shots.actions.append(np.asarray(task.parse(action, env).value).reshape(-1))
                if (numbers := task.proprio(env)) is not None:
                    shots.states.append(numbers)
                for key, view in self._views.items():
                    shots.frames[key].append(task.frame(env, view))
        return shots

    def _described(self, columns: Mapping[str, Any], shots: _Shots) -> dict[str, dict[str, Any]]:
        """Returns what each frame holds."""
        found: dict[str, dict[str, Any]] = {}
        for key, frames in shots.frames.items():
            height, width, channels = frames[0].shape
            found[key] = {
                "dtype": "video" if self._filmed else "image",
                "shape": [height, width, channels],
                "names": ["height", "width", "channels"],
            }
            if self._filmed:
                found[key]["info"] = {
                    "video.height": height,
                    "video.width": width,
                    "video.channels": channels,
                    "video.codec": CODEC,
                    "video.pix_fmt": pixels_of(height, width),
                    "video.fps": self._fps,
                    "is_depth_map": False,
                    "has_audio": False,
                }
        for key, values in columns.items():
            dtype = str(values.dtype)
            found[key] = {"dtype": dtype, "shape": [values.shape[1]], "names": None}
        return found

    def _placed(self, number: int, count: int, stats: Stats) -> dict[str, Any]:
        """Returns the row that lists an episode."""
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": [self._task.instruction or self._task.summary],
            "length": count,
            "data/chunk_index": self._file // _FILES,
            "data/file_index": self._file % _FILES,
            "dataset_from_index": self._frames,
            "dataset_to_index": self._frames + count,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        for key in self._views if self._filmed else ():
            row[f"videos/{key}/chunk_index"] = number // _FILES
            row[f"videos/{key}/file_index"] = number % _FILES
            row[f"videos/{key}/from_timestamp"] = 0.0
            row[f"videos/{key}/to_timestamp"] = count / self._fps
        told = {
            f"stats/{key}/{name}": one for key, all in stats.items() for name, one in all.items()
        }
        return {**row, **told}

    def _write_rows(self, columns: Mapping[str, Any], pictures: Mapping[str, list[Frame]]) -> None:
        """Writes the rows of an episode into the table, and begins a new one where it is full."""
        lib = arrow("lib")
        arrays = {key: _column(values) for key, values in columns.items()}
        for key, frames in pictures.items():
            rows = [{"bytes": write_png(frame), "path": None} for frame in frames]
            kind = lib.struct([("bytes", lib.binary()), ("path", lib.string())])
            arrays[key] = lib.array(rows, kind)
        table = lib.table(arrays)
        path = self._folder / _TABLE.format(
            chunk_index=self._file // _FILES, file_index=self._file % _FILES
        )
        if self._table is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._table = arrow("parquet").ParquetWriter(path, table.schema)
        self._table.write_table(table)
        if path.stat().st_size > _TABLE_MB << 20:
            self.close()
            self._file += 1

    def _info(self) -> dict[str, Any]:
        count = len(self._episodes)
        return {
            "codebase_version": _LAYOUT,
            "robot_type": self._task.name,
            "total_episodes": count,
            "total_frames": self._frames,
            "total_tasks": 1,
            "chunks_size": _FILES,
            "data_files_size_in_mb": _TABLE_MB,
            "video_files_size_in_mb": _VIDEO_MB,
            "fps": self._fps,
            "splits": {"train": f"0:{count}"},
            "data_path": _TABLE,
            "video_path": _VIDEO if self._views and self._filmed else None,
            "features": self._features,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shades:
    """Sums over the pixels of frames, for each of three channels, in parts of the brightest."""

    count: int
    """Frames."""
    pixels: int
    low: Any
    high: Any
    sum: Any
    squares: Any

    @classmethod
    def of(cls, frames: list[Frame]) -> "_Shades":
        """Returns those of some frames."""
        return cls.together(
            [
                cls(
                    count=1,
                    pixels=frame.shape[0] * frame.shape[1],
                    low=frame.min(axis=(0, 1)) / 255,
                    high=frame.max(axis=(0, 1)) / 255,
                    sum=frame.sum(axis=(0, 1)) / 255,
                    squares=((frame / 255) ** 2).sum(axis=(0, 1)),
                )
                for frame in frames
            ]
        )

    @classmethod
    def together(cls, parts: list["_Shades"]) -> "_Shades":
        """Returns those of all."""
        return cls(
            count=sum(one.count for one in parts),
            pixels=sum(one.pixels for one in parts),
            low=np.min([one.low for one in parts], axis=0),
            high=np.max([one.high for one in parts], axis=0),
            sum=np.sum([one.sum for one in parts], axis=0),
            squares=np.sum([one.squares for one in parts], axis=0),
        )

    def statistics(self) -> dict[str, Any]:
        """Returns them as LeRobot has them: of shape (3, 1, 1), and a count of frames."""
        mean = self.sum / self.pixels
        spread = np.sqrt(np.maximum(self.squares / self.pixels - mean**2, 0))
        found = {"min": self.low, "max": self.high, "mean": mean, "std": spread}
        shaped = {name: value.reshape(3, 1, 1).tolist() for name, value in found.items()}
        return {**shaped, "count": [self.count]}


def _statistics(values: Any) -> dict[str, Any]:
    """Returns the statistics of numbers, shape (frames, width)."""
    numbers = values.astype(np.float64)
    found = {
        "min": numbers.min(axis=0),
        "max": numbers.max(axis=0),
        "mean": numbers.mean(axis=0),
        "std": numbers.std(axis=0),
        "count": np.array([len(numbers)]),
    }
    at = np.quantile(numbers, _QUANTILES, axis=0)
    found |= {f"q{round(q * 100):02d}": row for q, row in zip(_QUANTILES, at, strict=True)}
    return {name: value.tolist() for name, value in found.items()}


def _column(values: Any) -> Any:
    """Returns numbers of shape (frames, width) as a column: of one each, not of lists of one."""
    lib = arrow("lib")
    if values.shape[1] == 1:
        return lib.array(values[:, 0])
    return lib.FixedSizeListArray.from_arrays(lib.array(values.reshape(-1)), values.shape[1])


def _fps(task: Task[Any]) -> int:
    """Returns how many steps of a task's world make a second, as it says itself."""
    with closing(task.make_env()) as env:
        said = getattr(env, "inner", env).metadata.get("render_fps")
    return max(round(said), 1) if isinstance(said, int | float) else _FPS


def _noted(demonstration: Demonstration) -> NotedEpisode:
    return NotedEpisode(
        id=demonstration.id,
        opening=demonstration.opening,
        actions=tuple(step.action for step in demonstration.steps),
        outcomes=tuple(step.outcome for step in demonstration.steps),
    )


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", "utf-8")
