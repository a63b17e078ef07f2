"""What a run leaves behind, as values: cells, episodes, steps, and what a reply cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from icil.tasks import ActionStatus

EpisodeStatus = Literal["running", "done", "error", "overlong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecord:
    """One point of a sweep."""

    hash: str
    """Of everything that decides the cell's episodes, 16 hexadecimal digits."""
    task: str
    format: str
    """Empty where the agent looks at no observation."""
    agent: str
    selector: str
    """Empty where no demonstrations are shown."""
    demonstrations: int
    context_tokens: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    asked: bool = True
    """False for the reference players of an experiment that did not ask for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one reply cost. Tokens as the provider counts them."""

    input_tokens: int = 0
    """All of them, cached ones included."""
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """Reasoning included."""
    reasoning_tokens: int = 0
    images: int = 0
    """In the prompt."""
    cost_usd: float | None = 0.0
    """None where the price is not known."""
    latency_s: float | None = None
    """From sending the request to the whole reply; None where no model was called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the agent said at one step, and what was made of it."""

    shown: tuple[bytes, ...] = ()
    """Hashes of the parts that were new in the prompt, without the question."""
    question: tuple[bytes, ...] = ()
    prompt: bytes | None = None
    prefix: bytes | None = None
    """The hash of the prompt's prefix where demonstrations are chosen for each step; None where
    it is the episode's."""
    demonstrations: tuple[str, ...] | None = None
    """Likewise, the ids of those shown at this step."""
    reasons: tuple[str, ...] | None = None
    """Likewise, why each was chosen."""
    reply: str
    status: ActionStatus
    otherwise: ActionStatus | None = None
    """What the status would be if replies were read leniently, or strictly where they are read
    leniently; None if the same."""
    reason: str | None = None
    action: str
    """What is played."""
    agrees: bool | None = None
    """Whether the reply is the expert's action here; None where that is not known."""
    usage: Usage = Usage()
    model: str | None = None
    finish: str | None = None
    detail: str | None = None
    parameters: Mapping[str, Any] | None = None
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What the world answered to an action."""

    reward: float
    outcome: Any = None
    success: bool | None = None
    """Whether the goal is met then; None in worlds that have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step as it is found in the store."""

    step: int
    prompt: bytes | None
    """The hash of what was sent; None where the agent reads no prompts."""
    reply: str
    action: str
    played: Played | None
    """None when the run ended before the world had answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRecord:
    """An episode as it is found in the store, or just begun."""

    id: int
    status: EpisodeStatus
    attempt: int = 0
    """From 0; counts up where an agent cannot go on in the middle and starts again."""
    prefix: bytes | None = None
    """The hash of what its prompts begin with; None until one was answered."""
    steps: tuple[StepRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imitation:
    """How a finished episode imitates. What is None is not known."""

    agrees: tuple[bool | None, ...]
    """For each step, whether the agent's choice is the expert's in that state."""
    copies: tuple[bool | None, ...]
    """For each step, whether the agent's choice is that of the nearest demonstrated state."""
    expected: tuple[tuple[str, ...] | None, ...] = ()
    """For each step, the actions that the expert might have taken there; empty if none is known."""
    expert: bool
    """Whether the expert was asked."""
    departs: int | None = None
    """The first step whose action the expert would not have taken; None if there is none, or the
    expert was not asked."""
