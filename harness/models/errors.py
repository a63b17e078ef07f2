"""What went wrong with a request, in one vocabulary for all providers."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from icil.harness.secrets import scrub
from icil.tasks import ModelError
from icil.tasks.errors import ModelFault

_LONGEST_MESSAGE = 300
"""Characters of a server's own words that an error repeats."""

# "maximum context length is …", "prompt is too long", "exceeds the context window",
# "input token count … exceeds the maximum", "exceed_context_size_error"
_OVERLONG = re.compile(
    r"context.{0,12}(length|window|size)|(prompt|input|request).{0,20} (is )?too (long|large)"
    r"|longer than the maximum model length|token count.{0,60}exceed|exceed.{0,40}(tokens|context)"
    r"|too (many|much) (images|tokens|media)|payload size exceeds|at most \d+ image",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"insufficient_quota|billing|credit balance"
    r"|api.key (is )?(not valid|not found|expired|invalid)",
    re.IGNORECASE,
)
"""Says that this key, or its account, will not be served, whatever the status."""


def status_error(status: int, message: str, headers: Mapping[str, str]) -> ModelError:
    """Returns the error that an HTTP answer stands for.

    Args:
        status: The HTTP status, 400 or more.
        message: What the server says: its error message, or the body.
        headers: The answer's headers, names in any case.
    """
    fault = _fault(status, message)
    said = " ".join(scrub(message).split())[:_LONGEST_MESSAGE]
    text = f"the server answered {status}" + (f": {said}" if said else "")
    lower = {name.lower(): value for name, value in headers.items()}
    return ModelError(text, fault=fault, retry_after_s=_retry_after_s(lower))


def connection_error(error: BaseException) -> ModelError:
    """Returns the error that a connection which failed, broke or timed out stands for."""
    said = " ".join(scrub(str(error)).split())[:_LONGEST_MESSAGE]
    kind = type(error).__name__
    return ModelError(f"no answer: {kind}" + (f": {said}" if said else ""), fault="unavailable")


def rubbish_error(what: str) -> ModelError:
    """Returns the error that an answer stands for which is not what its protocol promises."""
    said = " ".join(scrub(what).split())[:_LONGEST_MESSAGE]
    return ModelError(f"the server's answer is not to be understood: {said}", fault="unavailable")


def _fault(status: int, message: str) -> ModelFault:
    if status in (400, 413, 422) and (status == 413 or _OVERLONG.search(message)):
        return "overlong"
    if status in (400, 429) and _REFUSED.search(message):
        return "fatal"
    if status in (429, 529):
        return "rate_limited"
    if status in (401, 402, 403, 404):
        return "fatal"
    if status in (408, 409, 425) or status >= 500:
        return "unavailable"
    return "rejected"


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Reads `Retry-After`, in seconds or as a date, and the milliseconds that OpenAI sends."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after", "")
        if re.fullmatch(r"[0-9.]+", value):
            return float(value)
        if value:
            wait = parsedate_to_datetime(value) - datetime.now(UTC)
            return max(0.0, wait.total_seconds())
    except (ValueError, TypeError):
        pass  # a header that cannot be read says nothing
    return None
