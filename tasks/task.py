"""The contract of a task: a world, and the language in which a model meets it.

A task wraps a `gymnasium.Env` (the dynamics) and adds observation formats, an action
language, openings, an expert and published reference scores. It holds no episode: every
method takes the environment that it is about, so that one task serves many at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple

from icil.tasks.actions import LegalActions, ParsedAction
from icil.tasks.errors import UnknownNameError
from icil.tasks.expert import EnvT, Expert
from icil.tasks.observation import Observation
from icil.tasks.openings import Opening, OpeningSource, Split


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


class Task(ABC, Generic[EnvT]):
    """One world with its observation formats, action language, horizon and expert."""

    name: str
    version: int
    """Grows whenever openings, dynamics, rendering or the action language change."""
    summary: str
    """One line for people; never shown to a model."""
    formats: tuple[str, ...]
    image_formats: tuple[str, ...] = ()
    """Those of `formats` whose observations are images."""
    horizon: int
    """The most steps an episode takes; the environment truncates itself there."""
    references: ReferenceScores | None = None
    has_expert: bool = True
    """Whether `expert` gives one; where it does not, no score is normalised."""
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
    def settings(self) -> Mapping[str, Any]:
        """What this task was set to beside its defaults, as JSON; it is part of every cell."""
        return {}

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

    @abstractmethod
    def legal_actions(self, env: EnvT) -> LegalActions:
        """Returns what may be done in the present state; never empty before the end."""

    @abstractmethod
    def parse(self, text: str, env: EnvT) -> ParsedAction:
        """Reads a reply as an action in the present state; never raises."""

    def express(self, action: str, env: EnvT) -> str:
        """Returns a trace's action in this task's wording, where a setting has changed that."""
        return action

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
        return Transition(float(reward), terminated, truncated, info.get("outcome"))

    def check_format(self, format: str) -> None:
        """Raises an error unless the task has this format.

        Raises:
            UnknownNameError: It has not; the message names those it has.
        """
        if format not in self.formats:
            raise UnknownNameError(f"format for {self.name}:", format, self.formats)
