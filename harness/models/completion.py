"""What a model is asked for beside the prompt, and what it answers, in one vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Finish = Literal["stop", "length", "refusal", "other"]
"""Why a model stopped: it was done, it ran out of tokens, it (or a filter of its provider) would
not answer, anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a model is to answer."""

    max_output_tokens: int
    """Reasoning included, where the provider counts it so."""
    temperature: float | None = None
    """None to send none."""
    top_logprobs: int | None = None
    """Of how many tokens, the likeliest at each place of the answer, the log-probabilities are
    asked for, 1 to 20; None to ask for none."""
    once: bool = False
    """Whether no later prompt begins as this one does, so that nothing is to be cached."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Sent as they are, under the provider's own names, such as `reasoning_effort`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a call took, as the provider counts it."""

    input: int = 0
    """All of the prompt: cached, written to the cache, and neither."""
    cached: int = 0
    """Of `input`, those read from the cache."""
    cache_write: int = 0
    """Of `input`, those written to the cache, where that is paid for."""
    cache_write_1h: int = 0
    """Of `cache_write`, those kept for an hour, which cost more."""
    output: int = 0
    """Reasoning included."""
    reasoning: int = 0
    """Of `output`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in an answer, where one token was said and others might have been."""

    token: str
    """The text of the one that was said."""
    likeliest: tuple[tuple[str, float], ...]
    """The likeliest tokens there, the one that was said among them, each with its log-probability
    (natural, 0 or less), the likeliest first. Two of them may have the same text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A model's answer."""

    text: str
    """Empty where it said nothing, or refused."""
    tokens: Tokens
    model: str | None
    """The name that answered."""
    finish: Finish
    detail: str | None = None
    """The provider's own word for why it stopped, and what a refusal said; a short text."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What was sent beside the prompt; never a key or a header."""
    dropped: tuple[str, ...] = ()
    """Parameters that were asked for and not sent, because the model does not take them."""
    logprobs: tuple[Place, ...] | None = None
    """The answer's tokens, as far as they are told; reasoning may come before the text. None where
    they were not asked for, or the provider tells none."""
