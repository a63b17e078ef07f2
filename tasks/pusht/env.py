"""The dynamics of Push-T, its reward as the score asks for it.

    coverage        the most of the target that was covered after any step; each step pays what it
                    adds, so that the return is the maximum that the field reports
    coverage_last   what is covered after the last step, paid there
    success_any     1 at the first step after which the target is covered
    success_last    1 at the last step, if the target is covered then

As in gym-pusht, 95 % of the target count as all of it, and the episode ends there; with the scores
of the last step it goes on to the horizon, and one that pushes the block on is told from one that
lets it be. Each step's `info` says whether the target is covered (`success`).
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

from icil.tasks.errors import OpeningsError
from icil.tasks.pusht.library import library
from icil.tasks.pusht.shape import CENTRE, SIDE, Pose, coverage
from icil.tasks.pusht.simulation import State

Score = Literal["coverage", "coverage_last", "success_any", "success_last"]
SCORES: tuple[Score, ...] = ("coverage", "coverage_last", "success_any", "success_last")

Vector = NDArray[np.float64]

_SEEDS = 2**31
_ENOUGH = 0.95
"""Of the target, as in gym-pusht."""


class PushTEnv(gymnasium.Env[Vector, Vector]):
    """The table; observations are gym-pusht's five numbers: pusher, block and the block's angle.

    An action is where the pusher is drawn to for a tenth of a second. `reset` takes
    `options={"opening": …}`, either `{"seed": n}`, which starts as gym-pusht does with this seed,
    or `{"pusher": [x, y], "block": [x, y], "angle": radians}`; without one, a seed is drawn from
    `np_random`.

    Args:
        horizon: Steps of an episode.
        score: What is paid.
        side: Pixels of a picture's side.
    """

    horizon: int
    steps: int
    """Steps taken since `reset`."""

    def __init__(self, horizon: int, score: Score = "coverage", side: int = 224) -> None:
        self._inner: Any = library()(
            obs_type="state", observation_width=side, observation_height=side
        )
        self.horizon, self._score = horizon, score
        self.observation_space = Box(-np.inf, np.inf, (5,), np.float64)
        self.action_space = Box(0.0, SIDE, (2,), np.float64)
        self.steps, self._best, self._met, self._over = 0, 0.0, False, True

    @property
    def numbers(self) -> Vector:
        """Pusher and block in pixels, and the block's angle from 0 to 2 pi; shape (5,)."""
        return np.asarray(self._inner.get_obs(), np.float64)

    @property
    def state(self) -> State:
        """What planners start from."""
        pusher, block = self._inner.agent, self._inner.block
        (x, y), (speed_x, speed_y), (left, top) = pusher.position, pusher.velocity, block.position
        return State(x, y, speed_x, speed_y, Pose(left, top, block.angle))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """Starts an episode.

        Raises:
            OpeningsError: The opening is none.
        """
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        if opening is None:
            opening = {"seed": int(self.np_random.integers(_SEEDS))}
        self._inner.reset(**_start(opening))
        self.steps, self._best, self._met, self._over = 0, 0.0, False, False
        return self.numbers, {}

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Draws the pusher to a place for a tenth of a second.

        Args:
            action: The place, x and y in pixels, shape (2,).

        Raises:
            ResetNeeded: The episode has ended, or none has begun.
        """
        if self._over:
            raise ResetNeeded("there is no episode in progress; call reset() first")
        self._inner.step(np.asarray(action, np.float64))
        self.steps += 1
        # Not gym-pusht's own figure: it adds up two halves in an order that changes.
        share = coverage(self.state.pose)
        covered, success = min(share / _ENOUGH, 1.0), share > _ENOUGH
        ends = success and not self._score.endswith("_last")
        last = self.steps == self.horizon or ends
        first, self._met = success and not self._met, self._met or success
        more, self._best = max(covered - self._best, 0.0), max(covered, self._best)
        paid = {
            "coverage": more,
            "coverage_last": covered if last else 0.0,
            "success_any": first,
            "success_last": last and success,
        }
        self._over = last
        return self.numbers, float(paid[self._score]), ends, last and not ends, {"success": success}

    def render(self) -> Any:
        """Returns the table as gym-pusht draws it for policies, (side, side, 3), RGB."""
        return np.ascontiguousarray(self._inner._render(), np.uint8)


def _start(opening: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how gym-pusht is told where to start.

    Raises:
        OpeningsError: The opening does not say where, or what it says cannot be.
    """
    if "seed" in opening:
        found = opening["seed"]
        if type(found) is not int or not 0 <= found < _SEEDS:
            raise OpeningsError(f"a seed of pusht is a number below 2**31, not {found!r:.40}")
        return {"seed": found}
    try:
        (x, y), (left, top), angle = opening["pusher"], opening["block"], opening["angle"]
        numbers = np.array([x, y, left, top, angle], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise OpeningsError(
            "an opening of pusht has a seed, or pusher [x, y], block [x, y] and angle"
        ) from error
    inside = (numbers[:4] >= 0.0) & (numbers[:4] <= SIDE)
    if not (np.isfinite(numbers).all() and inside.all()):
        raise OpeningsError("pusher and block of an opening of pusht lie between 0 and 512")
    # gym-pusht puts the block there and then turns it about its centre of gravity.
    turned = float(numbers[4])
    numbers[2] += -CENTRE[1] * math.sin(turned)
    numbers[3] += CENTRE[1] * (math.cos(turned) - 1.0)
    return {"seed": 0, "options": {"reset_to_state": numbers}}
