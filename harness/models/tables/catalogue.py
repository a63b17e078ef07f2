"""What is known of the models: litellm's table of limits and prices, and the providers' own limits.

The table is read as a file, once: importing litellm takes seconds. A model is looked up under
its exact name, then without the date of its snapshot; never under a similar one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from icil.harness.models.tables.image_tokens import Maker, maker_of
from icil.harness.models.tables.limits import Limits

_MIB: Final = 2**20
_PROVIDERS: Mapping[Maker, Limits] = {
    "openai": Limits(images=1500, request_bytes=512 * _MIB),
    "anthropic": Limits(
        images=600,
        image_pixels=8000,
        many_images=20,
        many_image_pixels=2000,
        request_bytes=32 * _MIB,
    ),
    # For images that stand in the request, as ours do; it was 20 MB until January 2026.
    "google": Limits(images=3600, request_bytes=100 * _MIB),
    "other": Limits(),
}
_SMALL_CONTEXT, _FEW_IMAGES = 200_000, 100
"""Anthropic's models with so many tokens take fewer images."""
_SNAPSHOT = {
    "openai": re.compile(r"-\d{4}-\d{2}-\d{2}$"),
    "anthropic": re.compile(r"-\d{8}$"),
    "google": re.compile(r"-\d{3}$"),
}
"""What names a snapshot of a model, after the model's name."""


_BLIND: Mapping[str, tuple[str, ...]] = {"litellm": ("deepseek/", "ollama/", "ollama_chat/")}
"""Models whose images do not arrive, or not in their place, through this provider."""


def find_limits(provider: str, model: str) -> Limits:
    """Returns what a model takes in one request, as far as it is known.

    Args:
        provider: The provider's name, such as `openai`.
        model: The model's name there.
    """
    maker = maker_of(provider, model)
    limits = _PROVIDERS[maker]
    entry = next((e for name in table_names(provider, model) if (e := read_table().get(name))), {})
    context = _count(entry, "max_input_tokens")
    images = limits.images
    if maker == "anthropic" and context is not None and context <= _SMALL_CONTEXT:
        images = _FEW_IMAGES
    if entry.get("supports_vision") is False or model.startswith(_BLIND.get(provider, ())):
        images = 0
    return replace(
        limits,
        context_tokens=context,
        output_tokens=_count(entry, "max_output_tokens"),
        images=images,
    )


def reasons(provider: str, model: str) -> bool:
    """Returns whether a model is known to think before it answers."""
    names = table_names(provider, model)
    return any(read_table().get(name, {}).get("supports_reasoning") for name in names)


def thinks_unasked(provider: str, model: str) -> bool:
    """Returns whether a model is known to think before it answers where no parameter says so."""
    names = table_names(provider, model)
    entry = next((e for name in names if (e := read_table().get(name))), {})
    if "default_reasoning_effort" in entry:
        return bool(entry["default_reasoning_effort"] != "none")
    if maker_of(provider, model) == "anthropic":
        return bool(entry.get("thinking_always_on"))
    return bool(entry.get("supports_reasoning"))


def table_names(provider: str, model: str) -> tuple[str, ...]:
    """Returns the names under which a price file, or litellm's table, may hold a model.

    The best come first. None is that of another provider's model in the table; models on this
    machine have none.
    """
    if provider in ("openai", "anthropic"):
        return _with_snapshots(provider, ("", f"{provider}/"), model)
    if provider == "google":
        name = model.removeprefix("models/")
        return _with_snapshots(provider, ("gemini/", "google/"), name)
    if provider != "litellm":
        return ()
    home, _, name = model.partition("/")
    if name and home in ("openai", "anthropic"):
        return (model, *table_names(home, name))
    if name and home == "gemini":
        return table_names("google", name)
    return (model,)


@cache
def read_table() -> Mapping[str, Mapping[str, Any]]:
    """Returns litellm's table: limits and prices by model, as litellm spells it."""
    found = find_spec("litellm")
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0])
    content = (folder / "model_prices_and_context_window_backup.json").read_text("utf-8")
    table: dict[str, dict[str, Any]] = json.loads(content)
    table.pop("sample_spec", None)  # explains the others
    return table


def _with_snapshots(provider: str, before: tuple[str, ...], model: str) -> tuple[str, ...]:
    names = dict.fromkeys((model, _SNAPSHOT[provider].sub("", model)))
    return tuple(prefix + name for name in names for prefix in before)


def _count(entry: Mapping[str, Any], key: str) -> int | None:
    value = entry.get(key)
    return value if isinstance(value, int) and value > 0 else None
