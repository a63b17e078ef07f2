"""Answers: what a server sent, read with care: it may be anything."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from icil.harness.models.completion import Place
from icil.harness.models.errors import rubbish_error

_LONGEST = 200
"""Characters of an answer that are repeated."""
_MOST_TOKENS = 10**12
"""More than any call takes: a count above is rubbish, which no sum could hold."""

_LEAST = -1e6
"""A log-probability that is as good as that of nothing; a lower one may be no float at all."""
_ROUNDED = 1e-3
"""By how much a log-probability may be above 0."""


def read_object(content: bytes) -> dict[str, Any]:
    """Reads a body that must be a JSON object.

    Raises:
        ModelError: It is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise rubbish_error(f"it is no JSON: {outline(content)}") from None
    if not isinstance(found, dict):
        raise rubbish_error(f"it is no JSON object: {outline(content)}")
    return found


def error_text(content: bytes) -> str:
    """Returns what an error's body says: its message, parameter and code, or all of it."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    match found:
        case {"error": {"message": str(message), **more}} if message:
            named = [more.get("param"), more.get("code")]
            details = [word for word in named if isinstance(word, str) and word not in message]
            return f"{message} ({', '.join(details)})" if details else message
        case {"error": str(message)} | {"message": str(message)} if message:
            return message
    return content.decode(errors="replace")


def outline(found: object) -> str:
    """Returns the beginning of something, to tell what it is."""
    text = found.decode(errors="replace") if isinstance(found, bytes) else str(found)
    return shorten(text) or "nothing"


def shorten(text: str) -> str:
    """Returns a text on one line and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def read_place(
    said: tuple[object, object], likeliest: Iterable[tuple[object, object]]
) -> Place | None:
    """Returns a place of an answer, of tokens and log-probabilities as they are told.

    Args:
        said: The token that was said.
        likeliest: The likeliest ones, that one perhaps among them.

    Returns:
        None if what is told can be no tokens or log-probabilities.
    """
    told = list(likeliest)
    if said[0] not in [token for token, _ in told]:
        told.append(said)
    read: list[tuple[str, float]] = []
    for token, logprob in told:
        if not (isinstance(token, str) and _is_number(logprob) and logprob <= _ROUNDED):
            return None
        read.append((token, min(0.0, max(_LEAST, logprob))))
    return Place(token=str(said[0]), likeliest=tuple(sorted(read, key=lambda one: -one[1])))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def count(usage: Mapping[str, Any], *path: str) -> int:
    """Returns a number of tokens; 0 where there is none, or no possible one, at a path's end."""
    found: Any = usage
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if type(found) is int and 0 < found <= _MOST_TOKENS else 0
