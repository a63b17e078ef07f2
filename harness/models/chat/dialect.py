"""Chat completions as OpenAI words them: for all that speak so, however their requests go out."""

from collections.abc import Mapping
from typing import Any

from icil.harness.models.answers import outline, read_place, shorten
from icil.harness.models.completion import Finish, Place, Sampling
from icil.harness.models.errors import rubbish_error

LOGPROBS = ("logprobs", "top_logprobs")
"""Parameters that ask for log-probabilities."""
FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "refusal",
}


def logprob_fields(sampling: Sampling) -> dict[str, Any]:
    """Returns the fields of a request that ask for log-probabilities; none if none are wanted."""
    if sampling.top_logprobs is None:
        return {}
    return dict(zip(LOGPROBS, (True, sampling.top_logprobs), strict=True))


def read_finish(word: object, refusal: object) -> tuple[Finish, str | None]:
    """Reads why an answer ends, and what more is said of that.

    Args:
        word: The `finish_reason`.
        refusal: What the message says in refusing, if it does.
    """
    if isinstance(refusal, str) and refusal:
        return "refusal", shorten(refusal)
    if isinstance(word, str):
        return FINISHES.get(word, "other"), word
    return "other", None


def read_text(content: object) -> str:
    """Reads what a message says: a text, or a list of blocks.

    Raises:
        ModelError: It is neither.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(part["text"] for part in content if isinstance(part.get("text"), str))
    raise rubbish_error(f"no text in it: {outline(content)}")


def read_logprobs(logprobs: object) -> tuple[Place, ...] | None:
    """Reads the log-probabilities of an answer; None where there are none that can be read."""
    match logprobs:
        case {"content": [_, *_] as said}:
            places = [_read_place(one) for one in said]
            found = tuple(place for place in places if place is not None)
            return found if len(found) == len(said) else None
    return None


def _read_place(said: object) -> Place | None:
    match said:
        case {"top_logprobs": [*top]}:
            return read_place(_token(said), map(_token, top))
    return None


def _token(found: object) -> tuple[object, object]:
    return (found.get("token"), found.get("logprob")) if isinstance(found, dict) else (None, None)
