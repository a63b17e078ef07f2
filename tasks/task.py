"""The contract of a task: a world, and the language in which a model meets it.

A task wraps a `gymnasium.Env` (the dynamics) and adds observation formats, an action
language, openings, an expert and published reference scores. It holds no episode: every
method takes the environment that it is about, so that one task serves many at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, LegalActions, ParsedAction
from icil.tasks.errors import UnknownNameError, UsageError
from icil.tasks.expert import EnvT, Expert
from icil.tasks.observation import Observation
from icil.tasks.openings import Opening, OpeningSource, Split

if TYPE_CHECKING:
    from icil.tasks.demonstrations import Demonstration


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScores:
    """Published mean returns, to be shown beside measured ones, never instead of them."""

    expert: float
    random: float
    source: str


class Transition(NamedTuple):
    """What the world answered to an action."""

    reward: float
    terminated: bool
    """Whether the world ended the episode."""
    truncated: bool
    """Whether the horizon did."""
    outcome: Any = None
    """What cannot be simulated again, from `info["outcome"]` of the environment; JSON."""
    success: bool | None = None
    """Whether the goal is met in the state reached; None in worlds that have none."""


class Task(ABC, Generic[EnvT]):
    """One world with its observation formats, action language, horizon and expert."""

    name: str
    version: int
    """Grows whenever openings, dynamics, rendering or the action language change."""
    summary: str
    """One line for people; never shown to a model."""
    instruction: str = ""
    """What to do, one sentence in the imperative, for policies that follow instructions; never in a
    prompt, which holds no task descriptions."""
    formats: tuple[str, ...]
    image_formats: tuple[str, ...] = ()
    """Those of `formats` whose observations are images."""
    cameras: tuple[str, ...] = ()
    """The views that `frame` draws, the main one first; none for the images of `image_formats`."""
    licence: str = "Apache-2.0"
    """Of the demonstrations that icil makes of it."""
    horizon: int
    """The most steps an episode takes; the environment truncates itself there."""
    references: ReferenceScores | None = None
    has_expert: bool = True
    """Whether `expert` gives one; where it does not, no score is normalised."""
    goal: bool = False
    """Whether each step tells whether the goal is met (`Transition.success`)."""
    slow: bool = False
    """Whether `reset`, `observe` or `step` may take more than a millisecond (an engine that
    answers, a renderer), and so belong in a thread."""
    repeatable: bool = True
    """Whether openings and actions determine episodes, so that one that is played anew, and not
    from a trace, comes out the same."""

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """All the actions of the language, in a fixed order, where they are finitely many; or None.

        They are what `parse` reads to the letter in every state, legal there or not.
        """
        return None

    @property
    def plain(self) -> "Task[EnvT]":
        """This task with its actions called by their own names; see `icil.tasks.relabelled`."""
        return self

    @property
    def action_box(self) -> ActionBox | None:
        """The bounds of the actions where they are vectors (continuous control), or None."""
        return None

    @property
    def settings(self) -> Mapping[str, Any]:
        """What this task was set to beside its defaults, as JSON; it is part of every cell."""
        return {}

    @property
    def pool_settings(self) -> Mapping[str, Any]:
        """Those of `settings` that demonstrations depend on; `make` with them plays these again."""
        return self.settings

    @property
    def data_hash(self) -> str | None:
        """What stands for the data set that it is made of, wherever that lies; None if of none.

        `settings` has it too, as `data`.
        """
        return None

    @abstractmethod
    def make_env(self) -> EnvT:
        """Returns a new environment; `reset` takes `options={"opening": state}`."""

    @abstractmethod
    def openings(self, split: Split) -> OpeningSource:
        """Returns the openings of a split; the two splits share no starting state."""

    @abstractmethod
    def state_key(self, env: EnvT) -> str:
        """Returns a text that two states share exactly when no format can tell them apart."""

    @abstractmethod
    def observe(self, env: EnvT, format: str) -> Observation:
        """Renders the present state now, in one of `formats`, changing nothing."""

    @property
    def views(self) -> tuple[str, ...]:
        """The names of the views that `frame` draws, the main one first."""
        return self.cameras or self.image_formats

    def frame(self, env: EnvT, camera: str) -> NDArray[np.uint8]:
        """Draws the present state as one of `views` sees it, changing nothing.

        Returns:
            Pixels, shape (height, width, 3), RGB.

        Raises:
            UnknownNameError: There is no such view.
        """
        if camera not in self.views:
            raise UnknownNameError(f"camera for {self.name}:", camera, self.views)
        image = self.observe(env, camera).image
        assert image is not None
        return image

    def proprio(self, env: EnvT) -> NDArray[np.float64] | None:
        """Returns the numbers that a body knows of itself, shape (n,); None if there are none."""
        numbers = next((f for f in self.formats if f not in self.image_formats), None)
        return None if numbers is None else self.observe(env, numbers).state

    def word_state(self, numbers: NDArray[np.float64]) -> Observation:
        """Returns numbers that somebody else measured as the format of numbers shows them.

        Args:
            numbers: Those of the state, shape (n,).

        Raises:
            UsageError: No format shows numbers, or it shows others.
        """
        raise UsageError(f"no format of {self.name} shows the numbers of a state")

    @abstractmethod
    def legal_actions(self, env: EnvT) -> LegalActions:
        """Returns what may be done in the present state; never empty before the end."""

    @abstractmethod
    def parse(self, text: str, env: EnvT) -> ParsedAction:
        """Reads a reply as an action in the present state; never raises."""

    def word(self, vector: NDArray[np.float64]) -> str:
        """Returns the action that a vector is, in its canonical wording.

        Args:
            vector: Finite numbers, shape (dimension,); those outside `action_box` are brought to
                its bounds.

        Raises:
            UsageError: The actions of this task are no vectors.
        """
        raise UsageError(f"the actions of {self.name} are words, not vectors")

    def express(self, action: str, env: EnvT) -> str:
        """Returns a trace's action in this task's wording, where a setting has changed that."""
        return action

    def tell(self, demonstration: "Demonstration") -> "Demonstration":
        """Returns a demonstration of `plain` as one of this task; see `icil.tasks.languages`."""
        return demonstration

    @abstractmethod
    def expert(self) -> Expert[EnvT]:
        """Returns a new expert.

        Raises:
            UsageError: The task has none; the message says how to bring one.
        """

    def reset(self, env: EnvT, opening: Opening) -> None:
        """Puts an environment into an opening."""
        env.reset(options={"opening": dict(opening.state)})

    def step(self, env: EnvT, value: Any, outcome: Any = None) -> Transition:
        """Plays an action.

        Args:
            env: The environment.
            value: The action as the environment's `step` takes it.
            outcome: When an episode is played again: what the world did then, where that
                cannot be simulated again (an engine's move). A world whose openings and
                actions determine everything ignores it.
        """
        _, reward, terminated, truncated, info = env.step(value)
        success = info.get("success")
        met = None if success is None else bool(success)
        return Transition(float(reward), terminated, truncated, info.get("outcome"), met)

    def check_format(self, format: str) -> None:
        """Raises an error unless the task has this format.

        Raises:
            UnknownNameError: It has not; the message names those it has.
        """
        if format not in self.formats:
            raise UnknownNameError(f"format for {self.name}:", format, self.formats)
