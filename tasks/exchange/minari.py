"""Minari data sets as a source.

An episode can be played again if it tells how it was reset: for `gym:ID` by its seed, for our
own worlds by an opening. Data sets that icil exported carry the pool's card and each episode's
opening in their metadata, and give the same pool when they come back.
"""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from icil.tasks.errors import PoolError, UsageError
from icil.tasks.exchange.recording import Recording, UntrueError, close
from icil.tasks.exchange.sources import Recordings
from icil.tasks.exchange.watching import Watched
from icil.tasks.gym import GymTask
from icil.tasks.openings import Opening
from icil.tasks.pools import Origin, PoolCard
from icil.tasks.task import Task, Transition

NOTES = "icil"
"""Under which our notes stand in a data set's metadata."""
_SMALLEST_PICTURE = 32
"""Pixels along each side from which Minari takes bytes for a picture."""


class NotedEpisode(BaseModel):
    """What an export notes of an episode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    opening: Opening


class Notes(BaseModel):
    """What an export notes of a pool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: PoolCard
    episodes: list[NotedEpisode]


def minari_library() -> Any:
    """Returns the module `minari`.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("minari")
    except ModuleNotFoundError as error:
        raise UsageError("Minari takes packages more: pip install 'icil[minari]'") from error


def read_minari(where: str, task: Task[Any]) -> Recordings:
    """Finds the episodes of a data set.

    Args:
        where: Its folder, or the id of one that Minari has stored on this machine.
        task: The task.

    Raises:
        UsageError: Minari is not installed.
        PoolError: There is no such data set, it is damaged, or it is of something else.
    """
    data = _open(where)
    with _reading(where):
        metadata = data.storage.metadata
        told = list(data.storage.get_episode_metadata(data.episode_indices))
    if NOTES in metadata:
        notes = _notes(where, metadata, task, len(told))
        _check_spaces(where, data, task)
        return _exported(where, data, notes)
    _check_environment(where, data, task)
    _check_spaces(where, data, task)
    starts = [(f"episode_{one['id']}", _opening(task, n, one)) for n, one in enumerate(told)]
    return Recordings(
        origin=Origin(
            expert=str(metadata.get("algorithm_name", "unknown")),
            expert_settings={},
            licence=str(metadata.get("license", "not stated in the data set")),
            source=f"Minari, {metadata['dataset_id']}",
        ),
        count=len(told),
        episodes=_episodes(where, data, starts, noted=False),
    )


def _open(where: str) -> Any:
    minari, folder = minari_library(), Path(where)
    with _reading(where):
        if (folder / "data").is_dir():
            return minari.MinariDataset(folder / "data")
        if folder.is_dir():
            return minari.MinariDataset(folder)
        try:
            return minari.load_dataset(where)
        except FileNotFoundError as error:
            raise PoolError(
                f"there is no folder {where}, and no data set of that id is stored on this "
                f"machine; `minari download {where}` fetches one that is published"
            ) from error


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Tells of what is wrong with a data set in one line."""
    try:
        yield
    except ImportError as error:
        raise UsageError(f"{where} takes packages more: {error}") from error
    except (
        AssertionError,
        KeyError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        gymnasium.error.Error,
    ) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise PoolError(f"{where} cannot be read as a Minari data set: {what}") from error


def _notes(where: str, metadata: Mapping[str, Any], task: Task[Any], episodes: int) -> Notes:
    try:
        notes = Notes.model_validate(metadata[NOTES])
    except ValidationError as error:
        what = error.errors()[0]["msg"]
        raise PoolError(f"{where}: the notes of its export are damaged: {what}") from error
    card = notes.card
    if (card.task, card.task_version) != (task.name, task.version):
        raise PoolError(
            f"{where} is of {card.task} version {card.task_version}, "
            f"not of {task.name} version {task.version}"
        )
    if len(notes.episodes) != episodes:
        raise PoolError(f"{where} has {episodes} episodes, but {len(notes.episodes)} were exported")
    return notes


def _exported(where: str, data: Any, notes: Notes) -> Recordings:
    card = notes.card
    starts = [(one.id, one.opening) for one in notes.episodes]
    return Recordings(
        origin=Origin(
            expert=card.expert,
            expert_settings=card.expert_settings,
            licence=card.licence,
            source=card.source,
        ),
        count=len(starts),
        episodes=_episodes(where, data, starts, noted=True),
        split=card.split,
        card=card,
    )


def _check_environment(where: str, data: Any, task: Task[Any]) -> None:
    named = data.env_spec.id if data.env_spec else None
    wanted = task.id.rpartition(":")[2] if isinstance(task, GymTask) else None
    if named != wanted:
        what = f"the environment {named}" if named else "no environment that Gymnasium knows"
        raise PoolError(f"{where} is of {what}, not of {task.name}")


def _check_spaces(where: str, data: Any, task: Task[Any]) -> None:
    with closing(task.make_env()) as env:
        for ours, theirs in (
            (env.observation_space, data.observation_space),
            (env.action_space, data.action_space),
        ):
            if _kind(ours) != _kind(theirs):
                what = " ".join(f"{theirs} for {ours}".split())
                raise PoolError(f"{where} is not of {task.name} as it is: it has {what}")


def _kind(space: Any) -> Any:
    """Returns what values of a space look like, whatever their bounds."""
    if isinstance(space, gymnasium.spaces.Dict):
        return {key: _kind(item) for key, item in space.items()}
    if isinstance(space, gymnasium.spaces.Tuple):
        return tuple(map(_kind, space))
    return type(space), space.shape


def _opening(task: Task[Any], number: int, told: Mapping[str, Any]) -> Opening | str:
    """Returns where an episode starts, or why that is not known."""
    options = {k: v for k, v in (told.get("options") or {}).items() if k != "minari_autoseed"}
    if isinstance(task, GymTask):
        if options:
            return "it was reset with options, which an opening of a gym task cannot hold"
        if told.get("seed") is None:
            return "it has no seed, so that it cannot be played again"
        state = {"seed": int(told["seed"])}
    elif "opening" in options:
        state = _plain(options["opening"])
    else:
        return "it was reset without an opening, so that it cannot be played again"
    return Opening(split="demonstration", index=number, state=state)


def _plain(value: Any) -> Any:
    """Returns a value as JSON has it."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def _episodes(
    where: str, data: Any, starts: Sequence[tuple[str, Opening | str]], *, noted: bool
) -> Iterator["MinariRecording"]:
    lossy = bool(data.storage.metadata.get("jpeg_encoding", True))
    stored = iter(data.iterate_episodes())
    for id, opening in starts:
        with _reading(where):
            episode = next(stored, None)
            recording = MinariRecording(id, opening, episode, lossy=lossy, noted=noted)
        yield recording


class MinariRecording(Recording):
    """An episode of a data set.

    Args:
        id: Its id.
        opening: Where it starts, or why that is not known.
        episode: Minari's `EpisodeData`.
        lossy: Whether pictures were compressed, and so cannot be compared.
        noted: Whether an export of icil noted outcomes and wordings.

    Raises:
        ValueError: It has no steps, or its parts do not fit together.
    """

    def __init__(
        self, id: str, opening: Opening | str, episode: Any, *, lossy: bool, noted: bool
    ) -> None:
        self.id, self._opening, self._episode, self._lossy = id, opening, episode, lossy
        if episode is None:
            raise ValueError(f"{id} is missing")
        self.length = len(episode.rewards)
        self._wordings = _texts(episode.infos["action"])[1:] if noted else [None] * self.length
        outcomes = _texts(episode.infos["outcome"])[1:] if noted else ["null"] * self.length
        self._outcomes = [json.loads(outcome) for outcome in outcomes]
        seen, done = _leaf(episode.observations), _leaf(episode.actions)
        others = (done, episode.terminations, episode.truncations, self._wordings, outcomes)
        if not self.length or {len(seen) - 1, *map(len, others)} != {self.length}:
            raise ValueError(f"{id} has {self.length} rewards, but not as much of the rest")

    def opening(self) -> Opening:
        """Returns where it starts."""
        if isinstance(self._opening, str):
            raise UntrueError(self._opening)
        return self._opening

    def make_env(self, task: Task[Any]) -> Watched:
        """Returns an environment that remembers its observation."""
        self._task = task
        return Watched(task.make_env())

    def compare(self, step: int, env: Watched) -> None:
        """Compares the observations."""
        recorded = _at(self._episode.observations, step)
        if _differ(env.observation, recorded, self._lossy):
            raise UntrueError(f"step {step}: the observation differs")

    def action(self, step: int, env: Watched) -> str:
        """Returns an action's wording."""
        value = _at(self._episode.actions, step)
        for wording in self._candidates(step, value, env):
            parsed = self._task.parse(self._task.express(wording, env), env)
            if parsed.status == "ok" and not _differ(parsed.value, value, False):
                return wording
        raise UntrueError(f"step {step}: {str(value)[:40]} is not a legal action")

    def _candidates(self, step: int, value: Any, env: Watched) -> Iterator[str]:
        if (wording := self._wordings[step]) is not None:
            yield wording
        legal = self._task.legal_actions(env)
        if isinstance(legal, Sequence):
            yield from legal
        elif isinstance(value, str):
            yield value
        else:
            yield json.dumps([float(number) for number in np.asarray(value).reshape(-1)])

    def outcome(self, step: int, env: Watched, value: Any) -> Any:
        """Returns what an export noted."""
        return self._outcomes[step]

    def judge(self, step: int, env: Watched, done: Transition) -> None:
        """Compares the rewards, the ends and the last observations."""
        if not close(done.reward, self._episode.rewards[step]):
            recorded = float(self._episode.rewards[step])
            raise UntrueError(f"step {step}: the reward is {done.reward}, not {recorded}")
        if done.terminated != bool(self._episode.terminations[step]):
            raise UntrueError(f"step {step}: the end differs")
        if step + 1 == self.length:
            self.compare(step + 1, env)
            if self._episode.truncations[step] and not (done.terminated or done.truncated):
                raise UntrueError(
                    f"step {step}: it was cut off there, before our horizon; if all were, set the "
                    f"task's: --set horizon={step + 1}"
                )


def _leaf(values: Any) -> Any:
    """Returns one of the sequences that a nested space's values are made of."""
    while isinstance(values, dict | tuple):
        values = next(iter(values.values() if isinstance(values, dict) else values))
    return values


def _at(values: Any, step: int) -> Any:
    """Returns one value of a nested space's values."""
    if isinstance(values, dict):
        return {key: _at(item, step) for key, item in values.items()}
    if isinstance(values, tuple):
        return tuple(_at(item, step) for item in values)
    return values[step]


def _differ(ours: Any, recorded: Any, lossy: bool) -> bool:
    if isinstance(recorded, dict):
        return any(_differ(ours[key], item, lossy) for key, item in recorded.items())
    if isinstance(recorded, tuple):
        return any(_differ(a, b, lossy) for a, b in zip(ours, recorded, strict=True))
    one, other = np.asarray(ours), np.asarray(recorded)
    picture = other.dtype == np.uint8 and other.ndim in (2, 3)
    if lossy and picture and min(other.shape[:2]) >= _SMALLEST_PICTURE:
        return False
    return not close(one, other) if other.dtype.kind == "f" else not np.array_equal(one, other)


def _texts(values: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]
