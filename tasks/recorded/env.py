"""Episodes of a recording, played back: nothing that is done changes what is seen next."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

from icil.tasks.errors import OpeningsError
from icil.tasks.exchange.lerobot_data import ACTION, STATE, Episode, LeRobotData

Frame = NDArray[np.uint8]
_Film = tuple[int, Frame | None, Iterator[Frame]]
"""The step of the frame that was read last, that frame, and those after it."""


class RecordedEnv(gymnasium.Env[Any, Any]):
    """Plays episodes back.

    Args:
        data: The data set.
        actions: The space of its actions.
    """

    def __init__(self, data: LeRobotData, actions: Box) -> None:
        self._data, self.action_space = data, actions
        self.metadata = {**self.metadata, "render_fps": data.fps}
        self._state = STATE if data.has(STATE) else None
        width = data.width(STATE) if self._state else 0
        self.observation_space = Box(-np.inf, np.inf, (width,), np.float32)
        self._films: dict[str, _Film] = {}
        self._read: Episode | None = None
        self.step_number = 0
        """From 0; the number of frames once the episode is over."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts the episode that `options={"opening": {"episode": …}}` names; else the first.

        Raises:
            OpeningsError: There is no such episode.
            PoolError: It is damaged.
        """
        super().reset(seed=seed)
        index = ((options or {}).get("opening") or {}).get("episode", 0)
        episodes = self._data.episodes
        if type(index) is not int or not 0 <= index < len(episodes):
            raise OpeningsError(f"{self._data.folder} has no episode {index!r}")
        self._close_films()
        self.step_number = 0
        if self._read is not episodes[index]:
            self._load(episodes[index])
        return self.numbers, {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Goes on to what was recorded next, whatever is done; its end ends the episode.

        Raises:
            ResetNeeded: The episode has ended, or none has begun.
        """
        if self._read is None or self.step_number == self._read.length:
            raise ResetNeeded("there is no episode in progress; call reset() first")
        reward = float(self._rewards[self.step_number])
        self.step_number += 1
        return self.numbers, reward, self.step_number == self.episode.length, False, {}

    def close(self) -> None:
        """Closes the videos."""
        self._close_films()

    @property
    def episode(self) -> Episode:
        """The one that is played back."""
        assert self._read is not None
        return self._read

    @property
    def numbers(self) -> NDArray[np.float32]:
        """What the robot knew of itself, shape (dimension,); the last again after the end."""
        found: NDArray[np.float32] = self._numbers[min(self.step_number, self.episode.length - 1)]
        return found

    @property
    def action(self) -> NDArray[np.float32]:
        """What was done here, shape (dimension,)."""
        found: NDArray[np.float32] = self._actions[self.step_number]
        return found

    def picture(self, camera: str) -> Frame:
        """Returns what a camera saw; the last frame again after the end.

        Args:
            camera: Its key in the data set.

        Raises:
            PoolError: Its frames are damaged.
        """
        wanted = min(self.step_number, self.episode.length - 1)
        at, frame, rest = self._films.pop(camera, (-1, None, iter(())))
        if at < 0 or at > wanted:
            at, frame, rest = -1, None, self._data.pictures(self.episode, camera)
        while at < wanted:
            at, frame = at + 1, next(rest)
        assert frame is not None
        self._films[camera] = at, frame, rest
        return frame

    def _load(self, episode: Episode) -> None:
        data, self._read = self._data, None
        keys = [ACTION, *([self._state] if self._state else [])]
        self._actions, *numbers = data.vectors(episode, *keys)
        self._numbers = numbers[0] if numbers else np.zeros((episode.length, 0), np.float32)
        rewards = data.rewards(episode)
        self._rewards = np.zeros(episode.length, np.float32) if rewards is None else rewards
        self._read = episode

    def _close_films(self) -> None:
        for _, _, rest in self._films.values():
            if hasattr(rest, "close"):
                rest.close()
        self._films.clear()
