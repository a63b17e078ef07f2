"""Tokens of images, by the rules that the providers publish.

OpenAI      patches of 32 × 32 pixels, or tiles of 512 × 512 (4o, 4.1, GPT-5, o1 and o3)
Anthropic   patches of 28 × 28, after scaling down what is larger than the model takes
Google      258 a tile of 768 × 768 (Gemini 2); by the resolution setting (3 and later)
others      patches of 28 × 28
"""

import re
from math import ceil, floor, sqrt
from typing import Literal, NamedTuple

Maker = Literal["openai", "anthropic", "google", "other"]


def maker_of(provider: str, model: str) -> Maker:
    """Returns whose rules hold for a model, whoever serves it."""
    if provider in ("openai", "anthropic", "google"):
        return provider  # type: ignore[return-value]
    if provider != "litellm":
        return "other"
    name = model.rpartition("/")[2]
    if "claude" in name:
        return "anthropic"
    if name.startswith("gemini"):
        return "google"
    if re.match(r"gpt-\d|chatgpt|o\d\b", name):
        return "openai"
    return "other"


def image_tokens(width: int, height: int, provider: str, model: str) -> int:
    """Returns how many tokens an image takes.

    Args:
        width: In pixels.
        height: In pixels.
        provider: The provider's name, such as `openai`.
        model: The model's name there.
    """
    name = model.rpartition("/")[2]
    match maker_of(provider, model):
        case "openai":
            return _openai(width, height, name)
        case "anthropic":
            return _anthropic(width, height, name)
        case "google":
            return _google(width, height, name)
        case _:
            return _patches(width, height, 28)


def _patches(width: float, height: float, side: int) -> int:
    return ceil(width / side) * ceil(height / side)


class _Tiles(NamedTuple):
    """Tokens of an image that is cut into tiles."""

    base: int
    tile: int


class _Patched(NamedTuple):
    """Tokens of an image that is cut into patches."""

    factor: float = 1.0
    """Tokens a patch."""
    most: int = 1536
    """Patches; a larger image is scaled down."""


_OPENAI: tuple[tuple[str, _Tiles | _Patched], ...] = (
    (r"gpt-4o-mini", _Tiles(2833, 5667)),
    (r"gpt-4\.1-mini|gpt-5-mini", _Patched(1.62)),
    (r"gpt-4\.1-nano|gpt-5-nano", _Patched(2.46)),
    (r"o4-mini", _Patched(1.72)),
    (r"gpt-4|chatgpt-4o", _Tiles(85, 170)),
    (r"gpt-5(-\d{4}|-chat|-search|$)", _Tiles(70, 140)),
    (r"o[13](-|$)", _Tiles(75, 150)),
    (r"computer-use", _Tiles(65, 129)),
)
"""Models whose rule is not that of the newest, by the beginning of their names; first match."""


def _openai(width: int, height: int, name: str) -> int:
    rule = next((rule for start, rule in _OPENAI if re.match(start, name)), _Patched())
    if isinstance(rule, _Patched):
        return ceil(rule.factor * _capped_patches(width, height, rule.most))
    scale = min(1.0, 2048 / max(width, height))
    scale *= min(1.0, 768 / (scale * min(width, height)))
    return rule.base + rule.tile * _patches(round(width * scale), round(height * scale), 512)


def _capped_patches(width: int, height: int, most: int) -> int:
    if (found := _patches(width, height, 32)) <= most:
        return found
    scale = sqrt(32 * 32 * most / (width * height))
    across, down = width * scale / 32, height * scale / 32
    scale *= min(floor(across) / across, floor(down) / down)  # whole patches on one side
    return _patches(floor(width * scale), floor(height * scale), 32)


class _Claude(NamedTuple):
    """What a model takes; a larger image is scaled down."""

    side: int
    """The longer one, in pixels."""
    tokens: int


_SMALL = re.compile(r"claude-(\d|instant|(haiku|sonnet|opus)-4(-[0-6])?(-?\d{8}|-latest|$|[@:]))")
"""Models up to 4.6, which take smaller images than those since."""


def _anthropic(width: int, height: int, name: str) -> int:
    most = _Claude(1568, 1568) if _SMALL.search(name) else _Claude(2576, 4784)
    scale = min(1.0, most.side / max(width, height))
    while (found := _patches(width * scale, height * scale, 28)) > most.tokens:
        scale *= min(0.999, sqrt(most.tokens / found))
    return found


_TILE, _WHOLE, _TILE_TOKENS = 768, 384, 258
_GEMINI_3_TOKENS = 1120
"""At the resolution that is taken where none is set."""


def _google(width: int, height: int, name: str) -> int:
    found = re.match(r"gemini-(\d+)", name)
    if found is None or int(found[1]) >= 3:  # `gemini-pro-latest` and the like are new ones
        return _GEMINI_3_TOKENS
    if max(width, height) <= _WHOLE:
        return _TILE_TOKENS
    return _TILE_TOKENS * _patches(width, height, _TILE)
