"""Any Gymnasium environment as a task: numbers as text, frames as images.

The actions of a Discrete space are their numbers, or the names given by the setting
`actions`; those of a Box are lists of numbers. Observations that are numbers are shown as
text (`proprio`); frames (`rgb`) are rendered only when that format is played. There is an
expert only if the setting `expert` names one, or else a pool recorded elsewhere.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from numpy.typing import NDArray

from icil.tasks.actions import LegalActions, ParsedAction, parse_choice
from icil.tasks.errors import UsageError
from icil.tasks.expert import Expert
from icil.tasks.gym.box import BoxActions
from icil.tasks.gym.env import GymEnv, make_inner
from icil.tasks.observation import Observation
from icil.tasks.openings import SeededOpenings, Split
from icil.tasks.task import Task

_STEPS = 100
"""The horizon where neither the environment nor the user names one."""


class GymTask(Task[GymEnv]):
    """A Gymnasium environment.

    Args:
        id: Its id, such as `CartPole-v1`, or `module:ID` for one that a module registers.
        actions: The names of a Discrete space's actions, in the order of their numbers.
        decimals: Decimals of the numbers shown; None for all of them.
        horizon: The most steps of an episode; None for the environment's own limit.
        expert: `module:attribute` of an `Expert` class, or of a function that takes the
            environment and returns an action.

    Raises:
        UsageError: There is no such environment, or a setting does not fit it.
    """

    version = 1
    slow = True

    def __init__(
        self,
        id: str,
        *,
        actions: Sequence[str] | None = None,
        decimals: int | None = None,
        horizon: int | None = None,
        expert: str | None = None,
    ) -> None:
        self.id = id
        self.name = f"gym:{id}"
        self.summary = f"the Gymnasium environment {id}"
        self._names = list(actions) if actions else None
        self._given = {
            "actions": self._names,
            "decimals": decimals,
            "horizon": horizon,
            "expert": expert,
        }
        self._decimals = decimals
        self._expert = expert
        self.has_expert = expert is not None
        inner = make_inner(id, rendering=False)
        limit = inner.spec.max_episode_steps if inner.spec else None
        self.horizon = horizon or limit or _STEPS
        self._space = inner.action_space
        numbers = isinstance(inner.observation_space, Box | Discrete | MultiDiscrete | MultiBinary)
        small = numbers and math.prod(inner.observation_space.shape or ()) <= 1024
        drawn = "rgb_array" in inner.metadata.get("render_modes", [])
        inner.close()
        self.formats = ("proprio",) * small + ("rgb",) * drawn
        self.image_formats = ("rgb",) * drawn
        if not self.formats:
            raise UsageError(f"{self.name} shows neither numbers nor frames")
        if actions and (not isinstance(self._space, Discrete) or len(actions) != self._space.n):
            raise UsageError(f"{self.name} takes {self._space}; {len(actions)} names do not fit")

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was set beside the defaults."""
        return {name: value for name, value in self._given.items() if value is not None}

    def make_env(self) -> GymEnv:
        """Returns a new environment."""
        return GymEnv(self.id, self.horizon, rendering="rgb" in self.formats)

    def openings(self, split: Split) -> SeededOpenings:
        """Returns the seeds of a split; there is no end of them."""
        return SeededOpenings(self.name, self.version, split)

    def state_key(self, env: GymEnv) -> str:
        """Returns a hash of what the environment showed last, and of the frame if there is one."""
        seen = hashlib.blake2b(np.ascontiguousarray(env.observation).tobytes(), digest_size=16)
        return seen.hexdigest()

    def observe(self, env: GymEnv, format: str) -> Observation:
        """Renders the present state."""
        self.check_format(format)
        if format == "rgb":
            return Observation(image=np.asarray(env.frame(), np.uint8))
        numbers: NDArray[np.float64] = np.atleast_1d(
            np.asarray(env.observation, np.float64)
        ).reshape(-1)
        return Observation(text=self._text(numbers), state=numbers)

    def legal_actions(self, env: GymEnv) -> LegalActions:
        """Returns all the actions: Gymnasium knows no others."""
        if self._choices is not None:
            return tuple(self._choices)
        assert isinstance(self._space, Box)
        return BoxActions(self._space)

    def parse(self, text: str, env: GymEnv) -> ParsedAction:
        """Reads a name, a number or a list of numbers."""
        if self._choices is not None:
            return parse_choice(text, self._choices, self._choices)
        assert isinstance(self._space, Box)
        return BoxActions(self._space).parse(text)

    def expert(self) -> Expert[GymEnv]:
        """Returns the expert that the setting names.

        Raises:
            UsageError: None was named, or it cannot be imported.
        """
        if self._expert is None:
            raise UsageError(
                f"{self.name} has no expert: name one with "
                f"--set {self.name}.expert=MODULE:NAME, or bring a pool with --pool"
            )
        try:
            found = EntryPoint("expert", self._expert, "expert").load()
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(f"the expert {self._expert} cannot be imported: {error}") from error
        if isinstance(found, type) and issubclass(found, Expert):
            return found()
        return _Function(found, self._say)

    @cached_property
    def _choices(self) -> dict[str, Any] | None:
        """The wordings of a Discrete space's actions and what `step` takes for them."""
        if not isinstance(self._space, Discrete):
            return None
        first, count = int(self._space.start), int(self._space.n)
        names = self._names or [str(first + i) for i in range(count)]
        return {name: first + i for i, name in enumerate(names)}

    def _say(self, value: Any) -> str:
        if self._choices is None:
            return BoxActions.word(value)
        return next(name for name, known in self._choices.items() if known == int(value))

    def _text(self, numbers: NDArray[np.float64]) -> str:
        shown = numbers if self._decimals is None else np.round(numbers, self._decimals)
        return "[" + ", ".join(repr(float(number)) for number in shown) + "]"


class _Function(Expert[GymEnv]):
    """A function of the environment as an expert."""

    name = "function"
    slow = True

    def __init__(self, function: Any, say: Any) -> None:
        self._function, self._say = function, say

    @property
    def settings(self) -> Mapping[str, Any]:
        """Which function it is."""
        return {"function": f"{self._function.__module__}:{self._function.__qualname__}"}

    def act(self, env: GymEnv, rng: np.random.Generator) -> str:
        """Returns what the function says."""
        return str(self._say(self._function(env)))
