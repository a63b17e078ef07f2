"""Any Gymnasium environment as a task: numbers as text, frames as images.

The actions of a Discrete space are their numbers, or the names given by the setting
`actions`; those of a Box are lists of numbers. Observations that are numbers are shown as
text (`proprio`); frames (`rgb`) are rendered only when that format is played. There is an
expert only if the setting `expert` names one, or else a pool recorded elsewhere.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from operator import index
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, LegalActions, ParsedAction, parse_choice
from icil.tasks.errors import ContractError, UsageError
from icil.tasks.expert import Expert
from icil.tasks.gym.box import BoxActions
from icil.tasks.gym.env import GymEnv, make_inner, told
from icil.tasks.gym.expert import named_expert
from icil.tasks.observation import Observation
from icil.tasks.openings import SeededOpenings, Split
from icil.tasks.task import Task, Transition

_STEPS = 100
"""The horizon where neither the environment nor the user names one."""
_MOST_NUMBERS = 1024
"""Of an observation that is shown as text."""
_MOST_DECIMALS = 17
_NAME = re.compile(r"\S(.*\S)?")


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
        self.instruction = f"Earn as much reward in {id} as you can."
        right = f"a whole number from 0 to {_MOST_DECIMALS}"
        self._demand(_is_whole(decimals, 0, _MOST_DECIMALS), "decimals", decimals, right)
        self._demand(_is_whole(horizon, 1), "horizon", horizon, "a whole number, 1 or more")
        self._demand(isinstance(expert, str), "expert", expert, "a text such as 'module:function'")
        self._decimals, self._expert = decimals, expert
        self.has_expert = expert is not None
        inner = make_inner(id, horizon, rendering=False)
        limit = inner.spec.max_episode_steps if inner.spec else None
        self.horizon = horizon or limit or _STEPS
        self._space = inner.action_space
        numbers = isinstance(inner.observation_space, Box | Discrete | MultiDiscrete | MultiBinary)
        self._numbers = math.prod(inner.observation_space.shape or ()) if numbers else 0
        small = numbers and self._numbers <= _MOST_NUMBERS
        drawn = "rgb_array" in inner.metadata.get("render_modes", [])
        inner.close()
        self.formats = ("proprio",) * small + ("rgb",) * drawn
        self.image_formats = ("rgb",) * drawn
        if not self.formats:
            raise UsageError(f"{self.name} shows neither numbers nor frames")
        right = f"a list of different names, one for each action of {self._space}"
        self._demand(_are_names(actions, self._space), "actions", actions, right)
        self._names = None if actions is None else list(actions)
        self._given = {
            "actions": self._names,
            "decimals": decimals,
            "horizon": horizon,
            "expert": expert,
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was set beside the defaults."""
        return {name: value for name, value in self._given.items() if value is not None}

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """The wordings of a Discrete space's actions; None for those of a Box."""
        return None if self._choices is None else tuple(self._choices)

    @property
    def action_box(self) -> ActionBox | None:
        """The bounds of a Box space of floats; None for all others."""
        space = self._space
        if not isinstance(space, Box) or np.issubdtype(space.dtype, np.integer):
            return None
        low, high = (side.reshape(-1).astype(np.float64) for side in (space.low, space.high))
        return ActionBox(low, high)

    def word(self, vector: NDArray[np.float64]) -> str:
        """Returns the action that a vector is.

        Raises:
            UsageError: The actions are no vectors.
        """
        if self.action_box is None:
            return super().word(vector)
        assert isinstance(self._space, Box)
        box = vector.reshape(self._space.shape).clip(self._space.low, self._space.high)
        return BoxActions.word(box.astype(self._space.dtype))

    def make_env(self) -> GymEnv:
        """Returns a new environment."""
        return GymEnv(self.id, self.horizon, rendering="rgb" in self.formats)

    def openings(self, split: Split) -> SeededOpenings:
        """Returns the seeds of a split; there is no end of them."""
        return SeededOpenings(self.name, self.version, split)

    def state_key(self, env: GymEnv) -> str:
        """Returns a hash of what the environment showed last; the frame is not looked at."""
        seen = hashlib.blake2b(digest_size=16)
        for part in _bytes(env.observation):
            seen.update(part)
        return seen.hexdigest()

    def observe(self, env: GymEnv, format: str) -> Observation:
        """Renders the present state.

        Raises:
            UsageError: What draws the frames is not installed, or fails.
            ContractError: What it draws is no frame.
        """
        self.check_format(format)
        if format == "rgb":
            return Observation(image=self._frame(env))
        numbers: NDArray[np.float64] = np.atleast_1d(
            np.asarray(env.observation, np.float64)
        ).reshape(-1)
        return self.word_state(numbers)

    def word_state(self, numbers: NDArray[np.float64]) -> Observation:
        """Returns numbers as `proprio` shows them.

        Raises:
            UsageError: There is no such format, or they are more or fewer.
        """
        if "proprio" not in self.formats:
            return super().word_state(numbers)
        if numbers.shape != (self._numbers,):
            raise UsageError(f"{self.name} shows {self._numbers} numbers, not {numbers.shape}")
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

    def express(self, action: str, env: GymEnv) -> str:
        """Returns an action of a trace by its name, where names are set and it has its number."""
        if self._names is None or action in self._names:
            return action
        return {str(number): name for name, number in (self._choices or {}).items()}.get(
            action, action
        )

    def step(self, env: GymEnv, value: Any, outcome: Any = None) -> Transition:
        """Plays an action; opening and actions are taken to determine the episode."""
        _, reward, terminated, truncated, info = env.step(value)
        success = info.get("success", info.get("is_success"))
        met = None if success is None else bool(success)
        return Transition(reward, terminated, truncated, success=met)

    def expert(self) -> Expert[GymEnv]:
        """Returns the expert that the setting names.

        Raises:
            UsageError: None was named, or it cannot be imported.
        """
        if self._expert is None:
            raise UsageError(
                f"{self.name} has no expert: name one with `icil run --set "
                f"{self.name}.expert=MODULE:NAME` or `icil demos build --set expert=MODULE:NAME`, "
                "or bring a pool with --pool"
            )
        return named_expert(self._expert, self._word)

    @cached_property
    def _choices(self) -> dict[str, Any] | None:
        """The wordings of a Discrete space's actions and what `step` takes for them."""
        if not isinstance(self._space, Discrete):
            return None
        first, count = int(self._space.start), int(self._space.n)
        names = self._names or [str(first + i) for i in range(count)]
        return {name: first + i for i, name in enumerate(names)}

    def _word(self, value: Any) -> str:
        if self._choices is None:
            return BoxActions.word(value)
        return {number: name for name, number in self._choices.items()}[index(value)]

    def _text(self, numbers: NDArray[np.float64]) -> str:
        shown = numbers if self._decimals is None else np.round(numbers, self._decimals)
        return "[" + ", ".join(repr(float(number)) for number in shown) + "]"

    def _frame(self, env: GymEnv) -> NDArray[np.uint8]:
        try:
            pixels = env.render()
        except Exception as error:  # a library that is missing, a screen that is not there…
            without = "; or do without them: --format proprio" if "proprio" in self.formats else ""
            problem = f"{self.name} cannot draw its frames: {told(error)}{without}"
            raise UsageError(problem) from error
        found = np.array(pixels)  # its own: some draw into the same array again
        if found.dtype != np.uint8 or found.shape[2:] != (3,):
            what = f"{type(pixels).__name__}, {found.dtype} {found.shape}"
            raise ContractError(
                f"{self.name} draws {what}, not uint8 pixels of shape (height, width, 3)"
            )
        return found

    def _demand(self, fine: bool, setting: str, value: object, right: str) -> None:
        if value is not None and not fine:
            raise UsageError(f"the setting {setting!r} of {self.name} is {right}, not {value!r}")


def _is_whole(value: object, least: int, most: float = math.inf) -> bool:
    return type(value) is int and least <= value <= most


def _are_names(names: object, space: Any) -> bool:
    return (
        isinstance(names, list | tuple)
        and isinstance(space, Discrete)
        and len(set(map(str, names))) == len(names) == space.n
        and all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
    )


def _bytes(observation: Any) -> Iterator[bytes]:
    """Yields what an observation is made of, in a fixed order."""
    if isinstance(observation, Mapping):
        for key in sorted(observation):
            yield str(key).encode()
            yield from _bytes(observation[key])
    elif isinstance(observation, tuple):
        for part in observation:
            yield from _bytes(part)
    else:
        array = np.ascontiguousarray(observation)
        if array.dtype.hasobject:
            kind = type(observation).__name__
            raise ContractError(f"an observation holds a {kind}, which cannot be told from others")
        yield array.tobytes()
