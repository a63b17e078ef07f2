"""Arms that move one hand and its gripper to a goal: what is one in all the libraries of them.

    success_any    1 at the first step in which the goal is met
    success_last   1 at the last step, if the goal is met then
    reward         the library's own reward

An episode goes on to the horizon also where the goal was met: an arm that lets go of it again is
told from one that stays. Each step's `info` says whether the goal is met (`success`).
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, ParsedAction
from icil.tasks.errors import OpeningsError, UnknownNameError, UsageError
from icil.tasks.gym.box import BoxActions
from icil.tasks.mujoco_pictures import Pixels
from icil.tasks.observation import Observation
from icil.tasks.openings import SeededOpenings, Split
from icil.tasks.task import Task

Score = Literal["success_any", "success_last", "reward"]
SCORES: tuple[Score, ...] = ("success_any", "success_last", "reward")

DECIMALS = 3
"""Of the numbers shown unless set otherwise: millimetres."""
KEY_DECIMALS = 4
SAID_DECIMALS = 4
"""Of what experts say: what they leave out moves the hand by less than noise does."""
SIDE = 224
"""Pixels of a picture's side."""

Vector = NDArray[np.float64]

_ACTIONS = Box(-1.0, 1.0, (4,), np.float64)
_SPACE = BoxActions(_ACTIONS)
_SEEDS = 2**31
_LONGEST, _MOST_DECIMALS = 500, 17


class Moved(NamedTuple):
    """What a library answers to an action."""

    numbers: Vector
    reward: float
    success: bool


class ArmEnv(gymnasium.Env[Vector, Vector]):
    """An arm and what lies before it; observations are the library's numbers, the goal included.

    `reset` takes `options={"opening": {"seed": n}}`, which decides where things and the goal are;
    without one, a seed is drawn from `np_random`.

    Args:
        inner: The library's environment.
        size: How many numbers it observes.
        horizon: Steps of an episode.
        score: What is paid.
    """

    library: ClassVar[str]
    """Whose world it is, for messages."""
    inner: Any
    """The library's environment; to be read."""
    numbers: Vector
    """What was observed last, shape (size,)."""
    steps: int
    """Steps taken since `reset`."""

    def __init__(self, inner: Any, size: int, horizon: int, score: Score) -> None:
        self.inner, self._horizon, self._score = inner, horizon, score
        self.observation_space = Box(-np.inf, np.inf, (size,), np.float64)
        self.action_space = _ACTIONS
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
        drawn = int(self.np_random.integers(_SEEDS)) if opening is None else self._seed(opening)
        self.numbers = self._start(drawn)
        self.steps, self._met = 0, False
        return self.numbers, {}

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Moves the hand along each axis, and the gripper.

        Raises:
            ResetNeeded: The episode has ended, or none has begun.
        """
        if self.steps >= self._horizon:
            raise ResetNeeded("there is no episode in progress; call reset() first")
        self.numbers, reward, success = self._move(np.asarray(action, np.float64))
        self.steps += 1
        last = self.steps == self._horizon
        first, self._met = success and not self._met, self._met or success
        paid = {"success_any": first, "success_last": last and success, "reward": reward}
        return self.numbers, float(paid[self._score]), False, last, {"success": success}

    def close(self) -> None:
        """Lets go of the simulation."""
        self.inner.close()

    @abstractmethod
    def _start(self, seed: int) -> Vector:
        """Puts things and the goal where a seed says; returns what is observed."""

    @abstractmethod
    def _move(self, action: Vector) -> Moved:
        """Plays an action."""

    def _seed(self, opening: Mapping[str, Any]) -> int:
        found = opening.get("seed")
        if type(found) is not int or not 0 <= found < _SEEDS:
            raise OpeningsError(
                f"an opening of {self.library} has a seed below 2**31, not {found!r:.40}"
            )
        return found


class ArmTask(Task[ArmEnv]):
    """An arm moves its hand and gripper to do one thing; see above for what is paid.

    Args:
        name: The task's.
        score: `success_any`, `success_last` or `reward`.
        horizon: Steps of an episode, 1 to 500.
        camera: The view of `rgb`.
        decimals: Of the numbers in `proprio`; None for all that a float64 has.

    Raises:
        UsageError: A setting cannot be.
    """

    version: int = 1
    formats: tuple[str, ...] = ("proprio", "rgb")
    image_formats: tuple[str, ...] = ("rgb",)
    goal: bool = True
    slow: bool = True
    usual_horizon: ClassVar[int]
    """Steps of an episode unless set otherwise."""

    def __init__(
        self, name: str, *, score: Score, horizon: int, camera: str, decimals: int | None
    ) -> None:
        self.name = name
        if score not in SCORES:
            raise UnknownNameError("score", score, SCORES)
        if camera not in self.cameras:
            raise UnknownNameError("camera", camera, self.cameras)
        if type(horizon) is not int or not 1 <= horizon <= _LONGEST:
            raise UsageError(
                f"horizon of {name} is a whole number from 1 to {_LONGEST}, not {horizon!r}"
            )
        if decimals is not None and (
            type(decimals) is not int or not 0 <= decimals <= _MOST_DECIMALS
        ):
            raise UsageError(
                f"decimals of {name} is a whole number from 0 to {_MOST_DECIMALS} or null, "
                f"not {decimals!r}"
            )
        self.horizon, self._score, self._camera, self._decimals = horizon, score, camera, decimals
        self.cameras = tuple(dict.fromkeys((camera, *self.cameras)))  # the main one first

    @property
    def settings(self) -> Mapping[str, Any]:
        """What differs from the defaults."""
        given = {
            "score": (self._score, "success_any"),
            "horizon": (self.horizon, self.usual_horizon),
            "camera": (self._camera, type(self).cameras[0]),
            "decimals": (self._decimals, DECIMALS),
        }
        return {name: value for name, (value, usual) in given.items() if value != usual}

    @property
    def action_box(self) -> ActionBox:
        """Three ways for the hand to go, and the gripper, from -1 to 1."""
        return ActionBox(np.full(4, -1.0), np.full(4, 1.0))

    def word(self, vector: Vector) -> str:
        """Returns the action that a vector of four numbers is."""
        return BoxActions.word(vector.clip(-1.0, 1.0))

    def openings(self, split: Split) -> SeededOpenings:
        """Returns the seeds of a split; there is no end of them."""
        return SeededOpenings(self.name, self.version, split)

    def state_key(self, env: ArmEnv) -> str:
        """Returns what is observed, the goal included, to four decimals."""
        return " ".join(f"{number:z.{KEY_DECIMALS}f}" for number in env.numbers.tolist())

    def observe(self, env: ArmEnv, format: str) -> Observation:
        """Tells where hand, things and goal are, or draws them."""
        self.check_format(format)
        if format == "rgb":
            return Observation(image=self._draw(env, self._camera))
        return self.word_state(env.numbers)

    def frame(self, env: ArmEnv, camera: str) -> Pixels:
        """Draws the present state as a camera sees it; see `Task`."""
        if camera not in self.views:
            raise UnknownNameError(f"camera for {self.name}:", camera, self.views)
        return self._draw(env, camera)

    def proprio(self, env: ArmEnv) -> Vector:
        """Returns all the numbers that are observed."""
        return env.numbers

    def legal_actions(self, env: ArmEnv) -> BoxActions:
        """Returns all lists of four numbers from -1 to 1."""
        return _SPACE

    def parse(self, text: str, env: ArmEnv) -> ParsedAction:
        """Reads a JSON list of four numbers from -1 to 1."""
        return _SPACE.parse(text)

    @abstractmethod
    def _draw(self, env: ArmEnv, camera: str) -> Pixels:
        """Returns the present state as a camera sees it."""

    def _check_size(self, numbers: Vector, size: int) -> None:
        if numbers.shape != (size,):
            raise UsageError(f"a state of {self.name} is {size} numbers, not {numbers.shape}")

    def _number(self, number: float) -> str:
        return repr(number) if self._decimals is None else f"{number:z.{self._decimals}f}"

    def _list(self, numbers: Vector) -> str:
        return f"[{', '.join(map(self._number, numbers.tolist()))}]"


def word_said(vector: Vector) -> str:
    """Returns the action that an expert means by four numbers, also by ones beyond the bounds."""
    return BoxActions.word(np.clip(vector, -1.0, 1.0).round(SAID_DECIMALS) + 0.0)
