"""What a local server says of its limits, if it says anything.

    vLLM, SGLang   `GET /v1/models`: `max_model_len`
    llama.cpp      `GET /props`: the context of one slot, and whether the model sees images

Ollama does not tell, and cuts off what is too long without a word: give `context_tokens` there.
"""

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from icil.harness.models.answers import count
from icil.harness.models.tables.limits import Limits

_TIMEOUT_S = 2.0
_LONGEST_ANSWER = 1 << 20
"""In bytes; a list of models."""


def ask_limits(base: str, model: str, key: str | None) -> Limits:
    """Asks a server for its limits; unknown ones where it does not answer within 2 s.

    Args:
        base: The server's address, up to the version (`http://host:8000/v1`).
        model: As the server knows it.
        key: Sent as a bearer token; None to send none.
    """
    answers: SimpleQueue[Limits] = SimpleQueue()

    def ask() -> None:
        answers.put(_ask(base, model, {} if key is None else {"Authorization": f"Bearer {key}"}))

    # Looking up a name has no time-out of its own.
    Thread(target=ask, name="limits", daemon=True).start()
    try:
        return answers.get(timeout=_TIMEOUT_S)
    except Empty:
        return Limits()


def _ask(base: str, model: str, headers: Mapping[str, str]) -> Limits:
    match _get(f"{base}/models", headers):
        case {"data": [*listed]}:
            entry = _entry([found for found in listed if isinstance(found, dict)], model)
        case _:
            return Limits()
    for path in (("max_model_len",), ("meta", "n_ctx")):
        if tokens := count(entry, *path):
            return Limits(context_tokens=tokens)
    if entry.get("owned_by") != "llamacpp":
        return Limits()
    parts = urlsplit(base)
    properties = _get(f"{parts.scheme}://{parts.netloc}/props", headers)
    tokens = count(properties, "default_generation_settings", "n_ctx")
    match properties:
        case {"modalities": {"vision": False}}:
            return Limits(context_tokens=tokens or None, images=0)
    return Limits(context_tokens=tokens or None)


def _entry(listed: list[dict[str, Any]], model: str) -> dict[str, Any]:
    """Returns what is said of a model; a server with one model takes any name for it."""
    named = [found for found in listed if found.get("id") == model]
    found = named or (listed if len(listed) == 1 else [])
    return found[0] if found else {}


def _get(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Returns the JSON object at an address; an empty one where there is none."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    scheme = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = scheme(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", parts.path, headers=dict(headers))
        response = connection.getresponse()
        content = response.read(_LONGEST_ANSWER) if response.status == 200 else b""
        found = json.loads(content)
    except (OSError, HTTPException, ValueError, RecursionError):
        return {}
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}
