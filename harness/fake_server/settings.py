"""The settings of a server."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from icil.harness.fake_server.answers import Answers, Oddities, check_answers
from icil.harness.fake_server.faults import KINDS, FaultKind, FaultRule
from icil.tasks.errors import UnknownNameError, UsageError


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What a server does, and when; the defaults are a server that answers all at once.

    Raises:
        UsageError: A value cannot be.
    """

    port: int = 0
    """On 127.0.0.1; 0 for any that is free."""
    keys: tuple[str, ...] = ()
    """The keys that are let in; with none, no key is asked for. Local servers never ask."""
    models: tuple[str, ...] = ()
    """The models that there are; with none, every name is one."""

    answers: Answers = "imitate"
    """What the model says: `imitate`, `echo`, `fixed:TEXT`, or a function of the call."""
    oddities: Oddities = field(default_factory=Oddities)
    """How often it says something else."""
    seed: int = 0
    """Of the oddities and of the faults."""

    faults: tuple[FaultRule, ...] = ()
    """What goes wrong, and how often."""
    script: tuple[FaultKind | None, ...] = ()
    """The fault of each of the first requests for an answer, in the order of arrival."""
    most_in_a_row: int = 2
    """How many times in a row the same prompt fails at most by the shares of `faults`."""
    retry_after_s: float = 1.0
    """What a fault of kind 429 asks to wait, in seconds."""
    hang_s: float | None = None
    """How long a fault of kind `hang` keeps the connection open, in seconds; None for as long
    as the client does."""
    refused_parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of parameters that models refuse, by patterns of the models' names."""

    context_tokens: int | None = None
    """The longest prompt, in tokens; None for no limit."""
    max_images: int | None = None
    """The most images in a prompt; None for the provider's limit."""
    max_request_bytes: int | None = None
    """The longest request, in bytes; None for the provider's limit."""
    requests_per_s: float | None = None
    """How many requests for an answer are let in each second; None for no limit."""
    most_at_once: int | None = None
    """How many requests are let in at the same time; None for no limit."""

    latency_s: float = 0.0
    """How long an answer takes, in seconds."""
    latency_s_per_1k_tokens: float = 0.0
    """How much longer for each 1000 tokens that are not taken from a cache, in seconds."""
    clock: Callable[[], float] = time.time
    """Returns unix seconds; what caches and rate limits go by."""

    bytes_per_token: int = 4
    """How many bytes of text make a token."""
    openai_cache_s: float = 600.0
    """How long OpenAI's automatic cache keeps a prompt after its last use, in seconds."""
    marked_models: str = r"gpt-(5\.([6-9]|\d\d)|[6-9])"
    """Pattern that the names of OpenAI's models begin with that cache at breakpoints only."""
    anthropic_cache_minimum: int = 1024
    """The shortest prompt that Anthropic caches, in tokens."""
    gemini_cache_minimum: int = 1024
    """The shortest content that Gemini caches when asked to, in tokens."""
    gemini_implicit_cache: bool = False
    """Whether Gemini also caches without being asked to."""

    kept_requests: int = 10_000
    """How many of the last requests the log holds."""
    keep_bodies: bool = False
    """Whether the log holds the bodies of requests, too."""

    def __post_init__(self) -> None:
        check_answers(self.answers)
        for kind in self.script:
            if kind is not None and kind not in KINDS:
                raise UnknownNameError("fault", kind, KINDS)
        if sum(rule.share for rule in self.faults if rule.models == "*") > 1:
            raise UsageError("faults: expected shares that add up to 1 at most")
        if not 0 <= self.port <= 65_535:
            raise UsageError(f"port: expected 0 to 65535, got {self.port}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise UsageError(f"{name}: expected {least:g} or more, got {value}")


_LEAST: Mapping[str, float] = {
    "anthropic_cache_minimum": 0,
    "bytes_per_token": 1,
    "context_tokens": 1,
    "gemini_cache_minimum": 0,
    "hang_s": 0,
    "kept_requests": 0,
    "latency_s": 0,
    "latency_s_per_1k_tokens": 0,
    "max_images": 0,
    "max_request_bytes": 1,
    "most_at_once": 1,
    "most_in_a_row": 0,
    "openai_cache_s": 0,
    "requests_per_s": 1e-3,
    "retry_after_s": 0,
}
