"""The dynamics of the cheetah: run to the right, as fast as can be.

Motors are set for a hundredth of a second at a time. A step pays how fast the centre of mass
then moves forward, in tenths of 10 m/s, at least 0 and at most 1. Nothing is random after the
start, and nothing ends the run before its 100th step.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box

from icil.tasks.cheetah.simulation import (
    ACTIONS,
    POSITIONS,
    VELOCITIES,
    Vector,
    advance,
    new_data,
    put,
    settle,
)
from icil.tasks.errors import OpeningsError

HORIZON = 100
"""The steps of an episode: the first of dm_control's 1000."""
DECIMALS = 9
"""Of the numbers in an opening: what machines may differ in is behind them."""

_LARGEST = 100.0
"""What no number of a state exceeds; MuJoCo resets itself where one is absurd."""


class CheetahEnv(gymnasium.Env[Vector, Vector]):
    """The cheetah; observations are its position (8 numbers), then its velocity (9).

    `reset` takes `options={"opening": {"position": [...], "velocity": [...]}}` and ignores what
    else the opening holds. Without one, a start is drawn from `np_random`.
    """

    metadata: dict[str, Any] = {"render_fps": 100}  # noqa: RUF012 - as Gymnasium declares it
    data: Any
    """MuJoCo's `MjData`; to be read, and not to be stepped."""
    steps: int
    """Steps taken since `reset`."""

    def __init__(self) -> None:
        self.observation_space = Box(-np.inf, np.inf, (POSITIONS + VELOCITIES,), np.float64)
        self.action_space = Box(-1.0, 1.0, (ACTIONS,), np.float64)
        self.data, self.steps = new_data(), HORIZON

    @property
    def state(self) -> Vector:
        """Position and velocity as a new array, as they are observed."""
        return np.concatenate((self.data.qpos[1:], self.data.qvel))

    @property
    def distance(self) -> float:
        """Metres from the start of the track; only a picture shows it."""
        return float(self.data.qpos[0])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """Starts an episode.

        Raises:
            OpeningsError: The opening lacks a position or velocity, or has one that cannot be.
        """
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        if opening is None:
            opening = draw(self.np_random)
        put(
            self.data,
            _vector(opening, "position", POSITIONS),
            _vector(opening, "velocity", VELOCITIES),
        )
        self.steps = 0
        return self.state, {}

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Runs on for a hundredth of a second.

        Raises:
            ResetNeeded: The episode has ended, or none has begun.
        """
        if self.steps == HORIZON:
            raise ResetNeeded("there is no episode in progress; call reset() first")
        reward = advance(self.data, action)
        self.steps += 1
        return self.state, reward, False, self.steps == HORIZON, {}


def draw(rng: np.random.Generator) -> dict[str, list[float]]:
    """Returns a random start as an opening's state."""
    position, velocity = settle(rng)
    return {
        "position": np.round(position, DECIMALS).tolist(),
        "velocity": np.round(velocity, DECIMALS).tolist(),
    }


def _vector(opening: Mapping[str, Any], key: str, length: int) -> Vector:
    what = f"an opening of cheetah needs {key!r}: {length} numbers"
    try:
        vector = np.asarray(opening[key])
    except (KeyError, TypeError, ValueError) as error:
        raise OpeningsError(what) from error
    if vector.shape != (length,) or vector.dtype.kind not in "fiu":
        raise OpeningsError(what)
    if not (np.abs(vector) <= _LARGEST).all():
        raise OpeningsError(f"{what} of at most {_LARGEST:g}, not {vector.tolist()}")
    return vector.astype(np.float64)
