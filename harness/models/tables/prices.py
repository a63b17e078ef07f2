"""Prices: what a call costs, from the user's own price file, then from litellm's table.

A model whose price is not known has none: what it costs is then unknown, never zero. In the
table a price of zero stands for models that nobody has entered a price for, and so is none.

A user's file is YAML or JSON, in US dollars per million tokens:

    my-model: {input: 2.5, cached_input: 0.25, cache_write: 3.125, output: 10}
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from icil.harness.models.completion import Tokens
from icil.harness.models.tables.catalogue import read_table
from icil.tasks.errors import ExperimentError, suggestion

_MILLION = 1_000_000


class Tier(NamedTuple):
    """The price of requests with a longer input."""

    above: int
    """Holds for inputs of more tokens than this."""
    price: "Price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs, in US dollars per token."""

    input: float
    cached_input: float
    """Of input read from the cache."""
    cache_write: float
    """Of input written to the cache for minutes."""
    cache_write_1h: float
    """Of input written to the cache for an hour."""
    output: float
    reasoning: float
    """Of the output that is reasoning."""
    storage_hour: float | None = None
    """Of a token kept in an explicit cache for an hour; None where that is not known."""
    tiers: tuple[Tier, ...] = ()
    """The dearer prices of long inputs, the longest first."""

    def at(self, input_tokens: int) -> "Price":
        """Returns the price of a request with so long an input, cached tokens included."""
        return next((t.price for t in self.tiers if input_tokens > t.above), self)

    def cost(self, tokens: Tokens) -> float:
        """Returns what a call cost, in US dollars.

        All of a call is charged at the tier that its whole input falls into.
        """
        price = self.at(tokens.input)
        plain = max(0, tokens.input - tokens.cached - tokens.cache_write)
        return (
            plain * price.input
            + tokens.cached * price.cached_input
            + (tokens.cache_write - tokens.cache_write_1h) * price.cache_write
            + tokens.cache_write_1h * price.cache_write_1h
            + (tokens.output - tokens.reasoning) * price.output
            + tokens.reasoning * price.reasoning
        )


class Prices:
    """The prices of models by name.

    Args:
        own: Prices that come before those of litellm's table.
    """

    def __init__(self, own: Mapping[str, Price] | None = None) -> None:
        self._own = own or {}

    @classmethod
    def load(cls, user_file: Path | None = None) -> "Prices":
        """Reads a user's price file.

        Raises:
            ExperimentError: It cannot be read, or a price is missing, unknown or no price; the
                message names the file, the model and the key.
        """
        return cls(_read(user_file) if user_file else None)

    def find(self, names: Sequence[str]) -> Price | None:
        """Returns the price of the model that has these names, the best first.

        Returns:
            None where the price is not known.
        """
        for name in names:
            if name in self._own:
                return self._own[name]
        for name in names:
            if (price := _listed(read_table().get(name, {}))) is not None:
                return price
        return None


_Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Entry(BaseModel):
    """A model's prices in a user's file, in US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    input: _Dollars
    cached_input: _Dollars | None = None
    cache_write: _Dollars | None = None
    cache_write_1h: _Dollars | None = None
    output: _Dollars
    cache_storage_hour: _Dollars | None = None

    @property
    def price(self) -> Price:
        write = _either(self.cache_write, self.input)
        storage = self.cache_storage_hour
        return Price(
            input=self.input / _MILLION,
            cached_input=_either(self.cached_input, self.input) / _MILLION,
            cache_write=write / _MILLION,
            cache_write_1h=_either(self.cache_write_1h, write) / _MILLION,
            output=self.output / _MILLION,
            reasoning=self.output / _MILLION,
            storage_hour=None if storage is None else storage / _MILLION,
        )


def _read(path: Path) -> dict[str, Price]:
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExperimentError(f"price file {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ExperimentError(
            f"price file {path} is neither YAML nor JSON: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(content, dict):
        raise ExperimentError(
            f"price file {path}: expected models and their prices, such as "
            f"`my-model: {{input: 2.5, output: 10}}`, got {content!r:.60}"
        )
    return {str(name): _validated(path, str(name), entry).price for name, entry in content.items()}


def _validated(path: Path, name: str, entry: Any) -> _Entry:
    where = f"price file {path}: {name}"
    if not isinstance(entry, dict):
        raise ExperimentError(
            f"{where}: expected prices such as input and output, got {entry!r:.60}"
        )
    try:
        return _Entry.model_validate(entry)
    except ValidationError as error:
        # A misspelt key is an unknown and perhaps a missing one: the unknown one tells more.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            message = f"unknown key {key!r}{suggestion(key, _Entry.model_fields)}"
        elif first["type"] == "missing":
            message = f"the key {key!r} is missing: US dollars per million tokens"
        else:
            got = f"{first['input']!r:.60}"
            message = f"{key}: expected US dollars per million tokens, 0 or more, got {got}"
        raise ExperimentError(f"{where}: {message}") from error


_Entries = Mapping[str, Any]
_CACHED_SHARE = {"fireworks_ai": 0.5}
"""What cached input costs of the price of input, where a provider has one rule for all."""
_ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


def _listed(entry: _Entries) -> Price | None:
    """Returns what an entry of litellm's table says."""
    ranges = [found for found in entry.get("tiered_pricing", ()) if "input_cost_per_token" in found]
    if ranges:
        ranges.sort(key=lambda found: -found["range"][0])
        tiers = tuple(Tier(int(found["range"][0]), _price(found)) for found in ranges)
        return replace(tiers[-1].price, tiers=tiers[:-1])
    if not (entry.get("input_cost_per_token") or entry.get("output_cost_per_token")):
        return None
    tokens = sorted((int(m[1]) * 1000 for k in entry if (m := _ABOVE.fullmatch(k))), reverse=True)
    # xAI alone charges the dearer price from the threshold on.
    inclusive = entry.get("litellm_provider") == "xai"
    tiers = tuple(Tier(n - inclusive, _price(entry, f"_above_{n // 1000}k_tokens")) for n in tokens)
    return replace(_price(entry), tiers=tiers)


def _price(entry: _Entries, above: str = "") -> Price:
    """Reads one tier; what it does not name is as in the tier below, or as plain input."""

    def find(*keys: str) -> float | None:
        found = [entry.get(key + end) for end in (above, "") for key in keys]
        return next((float(value) for value in found if value is not None), None)

    input_cost = find("input_cost_per_token") or 0.0
    write = _either(find("cache_creation_input_token_cost"), input_cost)
    output = find("output_cost_per_token") or 0.0
    cached = find("cache_read_input_token_cost", "input_cost_per_token_cache_hit")
    share = _CACHED_SHARE.get(entry.get("litellm_provider", ""), 1.0)
    return Price(
        input=input_cost,
        cached_input=_either(cached, share * input_cost),
        cache_write=write,
        cache_write_1h=_either(find("cache_creation_input_token_cost_above_1hr"), write),
        output=output,
        reasoning=_either(find("output_cost_per_reasoning_token"), output),
    )


def _either(value: float | None, default: float) -> float:
    return default if value is None else value
