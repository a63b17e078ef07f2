"""The cheetah as a task."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, ParsedAction
from icil.tasks.cheetah.env import HORIZON, CheetahEnv, draw
from icil.tasks.cheetah.expert import Planner
from icil.tasks.cheetah.language import MotorSpace, parse_action, word_action, word_state
from icil.tasks.cheetah.rendering import as_picture
from icil.tasks.cheetah.simulation import ACTIONS, POSITIONS, VELOCITIES, model
from icil.tasks.errors import UsageError
from icil.tasks.observation import Observation
from icil.tasks.openings import SeededOpenings, Split, State
from icil.tasks.seeding import generator
from icil.tasks.task import ReferenceScores, Task

KEY_DECIMALS = 4
"""Of the numbers in a state's key.

The last bits of a state depend on the processor, for mathematical libraries choose their code
by it. Errors of one part in 10**16 at every step add up to some 1e-13 in an episode (the cheetah
forgets more than it amplifies). With four decimals, perhaps one pool of a thousand
demonstrations in a thousand then holds a key that comes out differently elsewhere; with six,
one in twenty would.
"""

_MOST_DECIMALS = 17
_SPACE = MotorSpace()


class Cheetah(Task[CheetahEnv]):
    """A planar cheetah gallops: dm_control's cheetah run, the first 100 of its 1000 steps.

    Args:
        decimals: Digits behind the point of the numbers in `proprio`; None, the default, for
            all that a float64 has.

    Raises:
        UsageError: `decimals` cannot be, or dm_control or mujoco is not installed.
    """

    name: str = "cheetah"
    version: int = 1
    summary: str = "a planar cheetah runs as fast as it can for a second (dm_control)"
    instruction: str = "Run forward as fast as you can."
    formats: tuple[str, ...] = ("proprio", "rgb")
    image_formats: tuple[str, ...] = ("rgb",)
    horizon: int = HORIZON
    slow: bool = True
    references: ReferenceScores | None = ReferenceScores(
        expert=37.4, random=0.407, source="LMAct (arXiv 2412.01441)"
    )

    def __init__(self, *, decimals: int | None = None) -> None:
        if decimals is not None and (
            type(decimals) is not int or not 0 <= decimals <= _MOST_DECIMALS
        ):
            raise UsageError(
                f"decimals of cheetah is a whole number from 0 to {_MOST_DECIMALS} or null, "
                f"not {decimals!r}"
            )
        model()
        self.decimals = decimals

    @property
    def settings(self) -> Mapping[str, Any]:
        """Returns how numbers are rounded, where they are."""
        return {} if self.decimals is None else {"decimals": self.decimals}

    @property
    def action_box(self) -> ActionBox:
        """Six numbers from -1 to 1."""
        return ActionBox(np.full(ACTIONS, -1.0), np.full(ACTIONS, 1.0))

    def word(self, vector: NDArray[np.float64]) -> str:
        """Returns the action that a vector of six numbers is."""
        return word_action(vector.clip(-1.0, 1.0).tolist())

    def make_env(self) -> CheetahEnv:
        """Returns a new cheetah."""
        return CheetahEnv()

    def openings(self, split: Split) -> "Starts":
        """Returns random starts as dm_control makes them, without end."""
        return Starts(self.name, self.version, split)

    def state_key(self, env: CheetahEnv) -> str:
        """Returns position, velocity and the distance run, to four decimals."""
        numbers = (env.distance, *env.state.tolist())
        return " ".join(f"{number:z.{KEY_DECIMALS}f}" for number in numbers)

    def observe(self, env: CheetahEnv, format: str) -> Observation:
        """Tells position and velocity, or draws the cheetah."""
        self.check_format(format)
        if format == "rgb":
            return Observation(image=as_picture(env.data))
        return self.word_state(env.state)

    def word_state(self, numbers: NDArray[np.float64]) -> Observation:
        """Returns position (8) and velocity (9) as one line.

        Raises:
            UsageError: They are not 17 numbers.
        """
        if numbers.shape != (POSITIONS + VELOCITIES,):
            raise UsageError(f"a state of cheetah is 17 numbers, not {numbers.shape}")
        text = word_state(numbers[:POSITIONS], numbers[POSITIONS:], self.decimals)
        return Observation(text=text, state=numbers)

    def legal_actions(self, env: CheetahEnv) -> MotorSpace:
        """Returns all lists of six numbers from -1 to 1."""
        return _SPACE

    def parse(self, text: str, env: CheetahEnv) -> ParsedAction:
        """Reads a JSON list of six numbers from -1 to 1."""
        return parse_action(text)

    def expert(self) -> Planner:
        """Returns the expert."""
        return Planner()


class Starts(SeededOpenings):
    """The starts of one split: no seeds, but what the cheetah is put into."""

    def _state(self, index: int) -> State:
        return deepcopy(_start(*self._identity, self.split, index))


@lru_cache(maxsize=4096)
def _start(task: str, version: int, split: Split, index: int) -> Mapping[str, Any]:
    return draw(generator("opening", task, version, split, index))
