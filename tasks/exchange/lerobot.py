"""LeRobotDatasets as a source.

One that icil exported carries the pool's card, the openings, and the actions to the digit in
`meta/icil.json`: it is played again in our world, and gives the same pool when it comes back. A
robot's own log has no world to be played in; it becomes the demonstrations of the task
`recorded:DIR`, whose world is the recording itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from icil.tasks.errors import PoolError
from icil.tasks.exchange.lerobot_data import ACTION, STATE, Episode, LeRobotData, reading
from icil.tasks.exchange.recording import Recording, UntrueError, close
from icil.tasks.exchange.sources import Recordings
from icil.tasks.openings import Opening
from icil.tasks.pools import Origin, PoolCard
from icil.tasks.recorded import Recorded
from icil.tasks.task import Task, Transition

NOTES = "meta/icil.json"
"""The file of our notes; LeRobot does not look at it."""
_LICENCE = re.compile(r"\A---\n(?:.*\n)*?license:[ \t]*(\S[^\n]*)\n(?:.*\n)*?---", re.IGNORECASE)
"""In the heading of a data set's README.md."""

Vector = NDArray[np.float32]


class NotedEpisode(BaseModel):
    """What an export notes of an episode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    opening: Opening
    actions: tuple[str, ...]
    """In the task's action language; the table has them as float32."""
    outcomes: tuple[Any, ...]


class Notes(BaseModel):
    """What an export notes of a pool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: PoolCard
    episodes: tuple[NotedEpisode, ...]


def read_lerobot(where: str, task: Task[Any]) -> Recordings:
    """Finds the episodes of a data set.

    Args:
        where: Its folder.
        task: The task: one of ours, whose pool was exported, or `recorded:` with the same folder.

    Raises:
        UsageError: What reads it is not installed.
        PoolError: There is no such data set, it is damaged, or it is of something else.
    """
    folder = Path(where)
    if isinstance(task, Recorded):
        return _recorded(folder, task)
    data = LeRobotData(folder)
    if not (folder / NOTES).is_file():
        raise PoolError(
            f"{where} does not say from which openings {task.name} began (icil's own exports have "
            f"{NOTES}), and cannot be played again; as what a robot recorded it is the task "
            f"recorded:{where}"
        )
    notes = _notes(folder, task, len(data.episodes))
    card = notes.card
    pairs = zip(notes.episodes, data.episodes, strict=True)
    return Recordings(
        origin=Origin(
            expert=card.expert,
            expert_settings=card.expert_settings,
            licence=card.licence,
            source=card.source,
        ),
        count=len(notes.episodes),
        episodes=(ExportedRecording(task, data, noted, episode) for noted, episode in pairs),
        split=card.split,
        card=card,
    )


def _notes(folder: Path, task: Task[Any], episodes: int) -> Notes:
    path = folder / NOTES
    try:
        with reading(folder):
            notes = Notes.model_validate_json(path.read_bytes())
    except PoolError as error:
        if isinstance(error.__cause__, ValidationError):
            what = error.__cause__.errors()[0]["msg"]
            raise PoolError(f"{path} is damaged: {what}") from error
        raise
    card = notes.card
    if (card.task, card.task_version) != (task.name, task.version):
        raise PoolError(
            f"{folder} is of {card.task} version {card.task_version}, "
            f"not of {task.name} version {task.version}"
        )
    if len(notes.episodes) != episodes:
        raise PoolError(
            f"{folder} has {episodes} episodes, but {len(notes.episodes)} were exported"
        )
    return notes


class ExportedRecording(Recording):
    """An episode of a pool that was exported.

    Args:
        task: Its task.
        data: The data set.
        noted: What was noted of it.
        episode: Where it stands.

    Raises:
        PoolError: It is damaged.
    """

    def __init__(
        self, task: Task[Any], data: LeRobotData, noted: NotedEpisode, episode: Episode
    ) -> None:
        self.id, self.length = noted.id, episode.length
        self._task, self._noted = task, noted
        (self._actions,) = data.vectors(episode, ACTION)
        self._states = data.vectors(episode, STATE)[0] if data.has(STATE) else None
        self._rewards = data.rewards(episode)
        if not len(noted.actions) == len(noted.outcomes) == self.length:
            raise PoolError(
                f"{data.folder}: episode {episode.index} has {self.length} frames, but "
                f"{len(noted.actions)} actions were exported"
            )

    def opening(self) -> Opening:
        """Returns where it starts."""
        return self._noted.opening

    def action(self, step: int, env: Any) -> str:
        """Returns what was noted if the table still says so, else what the table says."""
        said, recorded = self._noted.actions[step], self._actions[step]
        parsed = self._task.parse(self._task.express(said, env), env)
        if parsed.status == "ok":
            exported = np.asarray(parsed.value, np.float32).reshape(-1)
            if np.array_equal(exported, recorded):
                return said
        return self._task.word(recorded.astype(np.float64))

    def outcome(self, step: int, env: Any, value: Any) -> Any:
        """Returns what was noted."""
        return self._noted.outcomes[step]

    def compare(self, step: int, env: Any) -> None:
        """Compares the numbers that the body knows of itself."""
        if self._states is not None and not close(self._task.proprio(env), self._states[step]):
            raise UntrueError(f"step {step}: {STATE} differs")

    def judge(self, step: int, env: Any, done: Transition) -> None:
        """Compares the rewards."""
        if self._rewards is not None and not close(done.reward, self._rewards[step]):
            recorded = float(self._rewards[step])
            raise UntrueError(f"step {step}: the reward is {done.reward}, not {recorded}")


def _recorded(folder: Path, task: Recorded) -> Recordings:
    if folder.resolve() != task.data.folder.resolve():
        raise PoolError(f"{folder} is not the folder of {task.name}: name the same one twice")
    data = task.data
    robot = data.info.get("robot_type")
    episodes: Iterator[Recording] = (
        PlayedBack(task, number, episode) for number, episode in enumerate(task.episodes)
    )
    return Recordings(
        origin=Origin(
            expert="whoever was recorded",
            expert_settings={"robot_type": robot} if robot else {},
            licence=_licence(folder),
            source=f"LeRobotDataset {data.layout}, {folder.resolve().name}",
        ),
        count=len(task.episodes),
        episodes=episodes,
    )


def _licence(folder: Path) -> str:
    """Returns the licence that the data set's README.md states."""
    path, unknown = folder / "README.md", "not stated in the data set"
    if not path.is_file():
        return unknown
    with reading(folder):
        found = _LICENCE.search(path.read_text("utf-8"))
    return found[1].strip() if found else unknown


class PlayedBack(Recording):
    """An episode of a recording.

    Args:
        task: Its task.
        number: Its place among the task's openings.
        episode: Where it stands.
    """

    def __init__(self, task: Recorded, number: int, episode: Episode) -> None:
        self.id, self.length = f"episode_{episode.index:06d}", episode.length
        self._task, self._number = task, number

    def opening(self) -> Opening:
        """Returns the episode as an opening."""
        return self._task.openings("demonstration")[self._number]

    def action(self, step: int, env: Any) -> str:
        """Returns what was done."""
        return self._task.word(env.action.astype(np.float64))

    def compare(self, step: int, env: Any) -> None:
        """Compares nothing: the world is the recording."""
