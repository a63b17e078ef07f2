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
