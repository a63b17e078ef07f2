"""What is assumed of a model's calls: as they were before, or, where nothing is known, stated."""

from dataclasses import dataclass

from icil.harness.estimates.profile import ModelProfile
from icil.harness.estimates.usage_history import History, Played, Ratios

_LATENCY_S, _LATENCY_S_PER_TOKEN = 2.0, 0.02
_REASONING, _THINKING = 300, 600
"""Tokens of reasoning in writing, and of a model's own thinking before it answers."""
_END = 1
"""The token that ends a reply."""
_PAST = "past runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """How the calls of a cell will be."""

    ratios: Ratios
    output_tokens: float
    """Of a reply."""
    latency_s: float
    """Of a call."""
    input_source: str
    output_source: str
    latency_source: str


def assume(
    history: History, profile: ModelProfile, cell: Played, action_tokens: float, *, reasoning: bool
) -> Assumptions:
    """Returns what is assumed of the calls of a cell.

    Args:
        history: What is known of the past.
        profile: The model.
        cell: What is played.
        action_tokens: Of an action, in the mean.
        reasoning: Whether the model is asked to reason in writing.
    """
    ratios = history.ratios(profile.name, cell)
    output, said = history.output_tokens(profile.name, cell), _PAST
    if output is None:
        output, said = action_tokens + _END, "the length of an action"
        if reasoning:
            output, said = output + _REASONING, f"{said}, and {_REASONING} tokens of reasoning"
        if profile.thinks:
            output, said = output + _THINKING, f"{said}, and {_THINKING} tokens of thinking"
    output = min(output, float(profile.sampling.max_output_tokens))
    latency_s = history.latency_s(profile.name, cell)
    return Assumptions(
        ratios=ratios or Ratios(),
        output_tokens=output,
        latency_s=(_LATENCY_S + _LATENCY_S_PER_TOKEN * output if latency_s is None else latency_s),
        input_source="the provider's count in past runs" if ratios else "counted offline",
        output_source=said,
        latency_source="a guess" if latency_s is None else _PAST,
    )
