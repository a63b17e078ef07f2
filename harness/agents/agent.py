"""The contract of an agent: whatever chooses actions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from icil.prompt_builders import Part, Prompt, PromptOptions
from icil.results import Usage
from icil.tasks import Demonstration, LegalActions, Observation, Opening, Task

if TYPE_CHECKING:
    from icil.harness.policies import Execution

DemonstrationUse = Literal["prompt", "trajectory", "server", "none"]
"""How demonstrations reach an agent: in its prompt, as episodes, from its own server, never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an agent can be given."""

    text: bool = False
    images: bool = False
    state: bool = False
    demonstrations: DemonstrationUse = "none"
    each_step: bool = False
    """Whether it takes demonstrations that are chosen anew at each step (`Turn.demonstrations`);
    they always reach one that is shown them in its prompt."""
    chunked: bool = False
    """Whether its replies are chunks: actions for many steps, as `execution` has them played."""
    stateful: bool = False
    """Whether an interrupted episode must start again, rather than go on at its last step."""
    context_tokens: int | None = None
    """The longest prompt that it takes; None where there is no limit."""
    max_images: int | None = None
    """The most images in one prompt; None where there is no limit."""
    request_bytes: int | None = None
    """The longest request, images in base64; None where there is no limit."""

    @property
    def blind(self) -> bool:
        """Whether it looks at no observation, so that its episodes are the same in each format."""
        return not (self.text or self.images or self.state)

    @property
    def formatless(self) -> bool:
        """Whether its episodes are the same in each format.

        It is blind, or looks at the world's own arrays.
        """
        return not (self.text or self.images)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpisodeContext:
    """What an agent is told when an episode begins; the same object comes with each turn."""

    task: Task[Any]
    format: str
    """Empty for a blind agent."""
    opening: Opening
    demonstrations: tuple[Demonstration, ...]
    """Those selected, in the order shown; none where each step has its own."""
    options: PromptOptions
    generator: Callable[[int], np.random.Generator]
    """Returns the generator of a step: seeded by experiment, cell, opening and step."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """What an agent has before it when it must act."""

    episode: EpisodeContext
    step: int
    env: Any
    """The environment itself, for players that may look behind the observation (the expert)."""
    observation: Observation | None
    """None for a blind agent."""
    prompt: Prompt | None
    """Only for agents whose demonstrations come in the prompt."""
    own: tuple[Demonstration, ...] | None = None
    """The demonstrations chosen for this step alone; None where they are the episode's."""

    @property
    def demonstrations(self) -> tuple[Demonstration, ...]:
        """What is shown at this step, in the order shown."""
        return self.episode.demonstrations if self.own is None else self.own

    def legal_actions(self) -> LegalActions:
        """Returns what may be done in this state."""
        return self.episode.task.legal_actions(self.env)

    def rng(self) -> np.random.Generator:
        """Returns this step's generator."""
        return self.episode.generator(self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an agent answered."""

    text: str
    """As the model wrote it."""
    usage: Usage = Usage()
    model: str | None = None
    """The name of the model that answered."""
    finish: str | None = None
    """Why it stopped: `stop`, `length`, `refusal`…"""
    detail: str | None = None
    """More about that, in the provider's words."""
    parameters: Mapping[str, Any] | None = None
    """What was sent beside the prompt; never a key or a header."""
    dropped: tuple[str, ...] = ()
    """Parameters that were asked for and left out, because the model does not take them."""


class Agent(ABC):
    """Chooses actions. One agent plays many episodes at once, on one event loop.

    What takes longer than a few milliseconds belongs in a thread (`asyncio.to_thread`).
    """

    capabilities: Capabilities
    execution: "Execution | None" = None
    """How its chunks are played, where its replies are chunks."""
    waits: bool = False
    """Whether it spends its time waiting for a server: then it plays beside the other agents,
    not before or after them."""
    heeds_legal_actions: bool = True
    """Whether it plays otherwise where the run lists the legal actions. All who read prompts do."""

    @property
    def priced(self) -> bool:
        """Whether it is known what it costs."""
        return True

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was set to beside its defaults, as JSON; it is part of every cell.

        Never a key, a header or an address that holds one.
        """
        return {}

    @property
    def longest_reply(self) -> int:
        """How many tokens its reply may take in its context."""
        return 0

    def check_task(self, task: Task[Any]) -> None:  # noqa: B027 - most play all
        """Is asked, before a run, whether it can play a task.

        Raises:
            UsageError: It cannot; the message says why.
        """

    async def prepare(self) -> None:  # noqa: B027 - not all prepare
        """Is told that a run begins, before anything is written or sent.

        Raises:
            UsageError: It cannot play: a key or a library is missing.
        """

    async def begin(self, episode: EpisodeContext) -> None:  # noqa: B027 - not all prepare
        """Is told that an episode begins, or goes on after an interruption."""

    @abstractmethod
    async def act(self, turn: Turn) -> Reply:
        """Answers with an action.

        Raises:
            ModelError: No answer was to be had. The episode gets the status `error`.
        """

    async def end(self, episode: EpisodeContext) -> None:  # noqa: B027 - not all clean up
        """Is told that an episode is over, however it ended."""

    async def close(self) -> None:  # noqa: B027 - not all hold anything
        """Is told that the run is over, or interrupted; closes connections."""

    def most(self, prompt: Prompt) -> Usage:
        """Returns the most that the reply to a prompt can take, for a run with a budget.

        May take long, and is called in a thread. Its cost is None where the price is not known;
        for players that cost nothing, 0.
        """
        return Usage()

    def tokens(self, part: Part) -> int:
        """Returns how many tokens a part takes in this agent's context.

        Asked only of agents that name a limit (`Capabilities.context_tokens`), which must
        answer.
        """
        raise AssertionError(f"{type(self).__name__} names a context limit but counts no tokens")
