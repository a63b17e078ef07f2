"""What a provider's cache does for the requests of an episode.

    automatic     OpenAI up to GPT-5.5, vLLM: whatever a request shares with one before, in
                  whole units; writing costs nothing
    breakpoints   Anthropic, OpenAI since GPT-5.6: the prefix, and the tail up to the question,
                  which is written at each step and read at the next
    prefix        Gemini: the prefix, put into the cache before
    none

The first request of a prefix finds nothing; those of other episodes come when it is answered.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from icil.harness.models import Tokens
from icil.harness.models.catalogue import read_table, table_names

Kind = Literal["automatic", "breakpoints", "prefix", "none"]

_MINIMUM = 1024
"""The shortest prompt that most models cache, in tokens."""
_OPENAI_UNIT, _VLLM_UNIT = 128, 16
_MARKED = re.compile(r"gpt-(5\.([6-9]|\d\d)|[6-9]|\d\d)")
"""OpenAI's models that cache at breakpoints."""
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

    def inputs(
        self, prefix: int, tails: Sequence[int], questions: Sequence[int], *, warm: bool
    ) -> list[Tokens]:
        """Returns what the input of each request of an episode takes.

        Args:
            prefix: Tokens of the prefix.
            tails: Tokens of the tail at each step.
            questions: Tokens of the question at each step.
            warm: Whether a request with the same prefix was answered before.
        """
        found: list[Tokens] = []
        known = prefix if warm or self.kind == "prefix" else 0
        for tail, question in zip(tails, questions, strict=True):
            whole = prefix + tail
            cached = self._whole(min(known, whole))
            written = 0
            if self.kind == "breakpoints" and whole >= self.minimum:
                written = whole - cached
            found.append(
                Tokens(
                    input=whole + question,
                    cached=cached,
                    cache_write=written,
                    cache_write_1h=written if self.hour else 0,
                )
            )
            if self.kind != "prefix":
                known = whole
        return found

    def _whole(self, tokens: int) -> int:
        """Returns how many of the first tokens, which are known, come from the cache."""
        if self.kind == "none" or tokens < self.minimum:
            return 0
        return tokens // self.unit * self.unit


def cache_rule(provider: str, model: str, settings: Mapping[str, Any]) -> CacheRule:
    """Returns how a model caches, as it is set.

    Args:
        provider: The provider's name.
        model: The model's name there.
        settings: The agent's settings.
    """
    parameters = settings.get("parameters", {})
    mark = _MARKS.get(provider, "")
    marks = not (mark in parameters and parameters[mark] is None)
    if provider == "anthropic":
        minimum, hour = _minimum(provider, model), settings.get("ttl") == "1h"
        return CacheRule(kind="breakpoints", minimum=minimum, hour=hour) if marks else CacheRule()
    if provider == "openai":
        if _MARKED.match(model):
            rule = CacheRule(kind="breakpoints", minimum=_minimum(provider, model))
            return rule if marks else CacheRule()
        return CacheRule(kind="automatic", minimum=_MINIMUM, unit=_OPENAI_UNIT)
    if provider == "google":
        return CacheRule(kind="prefix", minimum=_minimum(provider, model))
    if provider == "local":
        return CacheRule(kind="automatic", unit=_VLLM_UNIT)
    return CacheRule()


def _minimum(provider: str, model: str) -> int:
    """Returns the shortest beginning that a model caches, in tokens."""
    entries = (read_table().get(name, {}) for name in table_names(provider, model))
    known = (entry.get("prompt_cache_min_tokens") for entry in entries)
    return next((tokens for tokens in known if isinstance(tokens, int)), _MINIMUM)
