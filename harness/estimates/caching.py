"""What a provider's cache does for the requests of an episode.

    automatic     OpenAI up to GPT-5.5, vLLM: whatever a request shares with one before, in
                  whole units; writing costs nothing
    breakpoints   Anthropic, OpenAI since GPT-5.6: the prefix, and the tail up to the question,
                  which is written at each step and read at the next
    prefix        Gemini: the prefix, which is put into the cache once
    none

The first request of a prefix finds nothing; those of other episodes come when it is answered.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from icil.harness.models import Tokens
from icil.harness.models.tables.catalogue import read_table, table_names

Kind = Literal["automatic", "breakpoints", "prefix", "none"]

_MINIMUM = 1024
"""The shortest prompt that most models cache, in tokens."""
_OPENAI_UNIT, _VLLM_UNIT = 128, 16
_MARKED = re.compile(r"gpt-(5\.([6-9]|\d\d)|[6-9]|\d\d)")
"""OpenAI's models that cache at breakpoints."""
_AUTOMATIC = ("azure", "deepseek", "openai", "xai")
"""Providers that cache without being asked, by litellm's names."""
_GOOGLE_MINIMUM = 4096
"""As `GoogleProvider` has it unless it is set otherwise."""
_MARKS = {"openai": "prompt_cache_breakpoint", "anthropic": "cache_control"}
"""The parameter that is null where a user wants no breakpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRule:
    """How a model caches."""

    kind: Kind = "none"
    minimum: int = 0
    """The shortest beginning that is cached, in tokens."""
    unit: int = 1
    """What is cached is whole units of so many tokens."""
    hour: bool = False
    """Whether what is written is kept for an hour, at another price."""
    to_end: bool = False
    """Whether the question is written, too, though no request begins with it."""

    def inputs(
        self,
        prefix: int,
        tails: Sequence[int],
        questions: Sequence[int],
        *,
        counted: int,
        warm: bool,
    ) -> list[Tokens]:
        """Returns what the input of each request of an episode takes.

        Args:
            prefix: Tokens of the prefix.
            tails: Tokens of the tail at each step.
            questions: Tokens of the question at each step.
            counted: Tokens of the prefix as they are counted here, by which it is decided
                whether to put it into the cache.
            warm: Whether a request with the same prefix was answered before.
        """
        found: list[Tokens] = []
        known = prefix if warm else 0
        for tail, question in zip(tails, questions, strict=True):
            whole = prefix + tail
            kept = whole
            if self.kind == "prefix":
                kept = prefix if counted >= self.minimum else 0
            cached = self._whole(min(known, kept))
            written = 0
            if self.kind == "prefix" or (self.kind == "breakpoints" and kept >= self.minimum):
                written = kept - cached + (question if self.to_end else 0)
            found.append(
                Tokens(
                    input=whole + question,
                    cached=cached,
                    cache_write=written,
                    cache_write_1h=written if self.hour else 0,
                )
            )
            known = kept
        return found

    def _whole(self, tokens: int) -> int:
        """Returns how many of the first tokens, which are known, come from the cache."""
        if self.kind == "none" or (tokens < self.minimum and self.kind != "prefix"):
            return 0
        return tokens // self.unit * self.unit


def cache_rule(provider: str, model: str, settings: Mapping[str, Any]) -> CacheRule:
    """Returns how a model caches, as it is set.

    Args:
        provider: The provider's name.
        model: The model's name there.
        settings: The agent's settings.
    """
    match provider:
        case "anthropic" if _marks(provider, settings):
            hour = settings.get("ttl") == "1h"
            return CacheRule(kind="breakpoints", minimum=_minimum(provider, model), hour=hour)
        case "openai" if not _MARKED.match(model):
            return CacheRule(kind="automatic", minimum=_MINIMUM, unit=_OPENAI_UNIT)
        case "openai" if _marks(provider, settings):
            minimum = _minimum(provider, model)
            return CacheRule(kind="breakpoints", minimum=minimum, to_end=True)
        case "google" if (minimum := settings.get("cache_tokens", _GOOGLE_MINIMUM)) is not None:
            return CacheRule(kind="prefix", minimum=minimum)
        case "local":
            return CacheRule(kind="automatic", unit=_VLLM_UNIT)
        case "litellm":
            return _through_litellm(model)
    return CacheRule()


def _marks(provider: str, settings: Mapping[str, Any]) -> bool:
    """Returns whether breakpoints are set, which a user can switch off."""
    parameters, name = settings.get("parameters", {}), _MARKS[provider]
    return not (name in parameters and parameters[name] is None)


def _through_litellm(model: str) -> CacheRule:
    home, _, name = model.partition("/")
    if home == "anthropic":
        return cache_rule(home, name, {})
    if home in _AUTOMATIC and not (home == "openai" and _MARKED.match(name)):
        return CacheRule(kind="automatic", minimum=_MINIMUM, unit=_OPENAI_UNIT)
    return CacheRule()


def _minimum(provider: str, model: str) -> int:
    """Returns the shortest beginning that a model caches, in tokens."""
    entries = (read_table().get(name, {}) for name in table_names(provider, model))
    known = (entry.get("prompt_cache_min_tokens") for entry in entries)
    return next((tokens for tokens in known if isinstance(tokens, int)), _MINIMUM)
