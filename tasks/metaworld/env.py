"""The dynamics of a task of Meta-World, its reward as the score asks for it.

    success_any    1 at the first step in which the goal is met
    success_last   1 at the last step, if the goal is met then
    reward         Meta-World's own shaped reward, 0 to 10 a step

An episode goes on to the horizon also where the goal was met: an arm that lets go of it again is
told from one that stays. Each step's `info` says whether the goal is met (`success`).
"""

from collections.abc import Mapping
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

from icil.tasks.errors import OpeningsError
from icil.tasks.metaworld.library import library

Score = Literal["success_any", "success_last", "reward"]
SCORES: tuple[Score, ...] = ("success_any", "success_last", "reward")

Vector = NDArray[np.float64]

_SEEDS = 2**31


class MetaWorldEnv(gymnasium.Env[Vector, Vector]):
    """An arm and what lies before it; observations are Meta-World's 39 numbers.

    `reset` takes `options={"opening": {"seed": n}}`, which decides where things and the goal are;
    without one, a seed is drawn from `np_random`.

    Args:
        name: The task, such as `reach-v3`.
        horizon: Steps of an episode.
        score: What is paid.
    """

    inner: Any
    """Meta-World's environment; to be read."""
    numbers: Vector
    """What was observed last, shape (39,)."""
    steps: int
    """Steps taken since `reset`."""

    def __init__(self, name: str, horizon: int, score: Score = "success_any") -> None:
        self.inner = _make(name)
        self._horizon, self._score = horizon, score
        self.observation_space = Box(-np.inf, np.inf, (39,), np.float64)
        self.action_space = Box(-1.0, 1.0, (4,), np.float64)
        self.steps, self._met = horizon, False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """Starts an episode.

        Raises:
            OpeningsError: The opening has no seed.
        """
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        drawn = int(self.np_random.integers(_SEEDS)) if opening is None else _seed(opening)
        self.inner.seed(drawn)
        self.numbers, _ = self.inner.reset()
        self.steps, self._met = 0, False
        return self.numbers, {}

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Moves the hand by up to a centimetre along each axis, and the gripper.

        Raises:
            ResetNeeded: The episode has ended, or none has begun.
        """
        if self.steps >= self._horizon:
            raise ResetNeeded("there is no episode in progress; call reset() first")
        self.numbers, shaped, _, _, info = self.inner.step(np.asarray(action, np.float64))
        self.steps += 1
        last, success = self.steps == self._horizon, bool(info["success"])
        first, self._met = success and not self._met, self._met or success
        paid = {"success_any": first, "success_last": last and success, "reward": shaped}
        return self.numbers, float(paid[self._score]), False, last, {"success": success}

    def close(self) -> None:
        """Lets go of the simulation."""
        self.inner.close()


def _make(name: str) -> Any:
    """Returns a world in which each reset draws from its own seed, and the goal is seen."""
    made = library().worlds[name]()
    made._set_task_called = True  # there are no tasks of a benchmark here, but openings
    made._freeze_rand_vec = False
    made.seeded_rand_vec = True
    made._partially_observable = False
    vars(made).pop("sawyer_observation_space", None)  # it was worked out with the goal hidden
    made.max_path_length = 2**31  # the horizon is ours
    return made


def _seed(opening: Mapping[str, Any]) -> int:
    found = opening.get("seed")
    if type(found) is not int or not 0 <= found < _SEEDS:
        raise OpeningsError(f"an opening of Meta-World has a seed below 2**31, not {found!r:.40}")
    return found
