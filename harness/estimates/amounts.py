"""Amounts: what calls take, added up."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from icil.harness.models import Tokens
from icil.harness.models.tables.prices import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What calls take; of an estimate, means, and so no whole numbers."""

    calls: float = 0.0
    input_tokens: float = 0.0
    cached_tokens: float = 0.0
    """Of the input, those read from a cache."""
    written_tokens: float = 0.0
    """Of the input, those written to a cache, where that is paid for."""
    output_tokens: float = 0.0
    images: float = 0.0
    cost_usd: float = 0.0
    """Of those with a known price."""
    uncached_usd: float = 0.0
    """What they would cost without a cache."""
    latency_s: float = 0.0
    """Of all calls, one after the other."""

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(**{n: getattr(self, n) + getattr(other, n) for n in _NAMES})

    def __mul__(self, factor: float) -> "Amounts":
        return Amounts(**{n: getattr(self, n) * factor for n in _NAMES})


_NAMES = tuple(field.name for field in fields(Amounts))
NOTHING = Amounts()


def call_amounts(
    tokens: Tokens,
    output_tokens: float,
    images: float,
    price: Price | None,
    latency_s: float,
    paid: float | None = None,
) -> Amounts:
    """Returns what a call takes.

    Args:
        tokens: Those of its input.
        output_tokens: Of its reply; a mean, and so no whole number.
        images: In the prompt.
        price: None where it is not known, or where there is none to pay.
        latency_s: How long it takes, in seconds.
        paid: What it did cost, in US dollars; None if that is not known.
    """
    cost = uncached = 0.0
    if price is not None:
        reply = output_tokens * price.at(tokens.input).output
        cost = price.cost(tokens) + reply
        uncached = price.cost(Tokens(input=tokens.input)) + reply
    return Amounts(
        calls=1.0,
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        written_tokens=tokens.cache_write,
        output_tokens=output_tokens,
        images=images,
        cost_usd=cost if paid is None else paid,
        uncached_usd=uncached,
        latency_s=latency_s,
    )


def running(calls: Sequence[Amounts]) -> list[Amounts]:
    """Returns what the first n calls take, for each n from 0."""
    found = [NOTHING]
    for amounts in calls:
        found.append(found[-1] + amounts)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Amounts between bounds."""

    low: Amounts = NOTHING
    expected: Amounts = NOTHING
    high: Amounts = NOTHING

    def __add__(self, other: "Range") -> "Range":
        return Range(
            low=self.low + other.low,
            expected=self.expected + other.expected,
            high=self.high + other.high,
        )

    def __mul__(self, factor: float) -> "Range":
        return Range(
            low=self.low * factor, expected=self.expected * factor, high=self.high * factor
        )


def exactly(amounts: Amounts) -> Range:
    """Returns a range that is one value."""
    return Range(low=amounts, expected=amounts, high=amounts)
