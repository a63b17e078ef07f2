"""What went wrong with a request, in one vocabulary for all providers."""

import errno
import math
import os
import re
import socket
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
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
_UNSERVED = r"insufficient_quota|billing_not_active|credit balance"
_REFUSED: Mapping[int, re.Pattern[str]] = {
    400: re.compile(
        rf"{_UNSERVED}|billing|api.key (is )?(not valid|not found|expired|invalid)", re.IGNORECASE
    ),
    # OpenAI and Google speak of billing also where a minute's limit is all that was passed.
    429: re.compile(rf"{_UNSERVED}|limit: 0\b", re.IGNORECASE),
}
"""By status, what says that this key, or its account, will not be served."""
_UNREACHED = frozenset(
    {
        errno.ECONNREFUSED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
    }
)
_CONNECT_TIMEOUTS = frozenset({"ConnectTimeout", "ConnectTimeoutError", "ConnectionTimeoutError"})
"""What clients call it when no connection comes about in time: httpx, urllib3, aiohttp."""
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d*)?)(ms|s)?)?")
"""A span of time, such as `6m0s`, `120ms` or `1.5`."""


class UnreachableError(ModelError):
    """No connection to the server came about, so that nothing was sent.

    Args:
        why: Such as `connection refused`.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"no answer: {why}", fault="unavailable")


def status_error(status: int, message: str, headers: Mapping[str, str]) -> ModelError:
    """Returns the error that an HTTP answer stands for.

    Args:
        status: The HTTP status, 400 or more.
        message: What the server says: its error message, or the body.
        headers: The answer's headers, names in any case.
    """
    fault, said = _fault(status, message), _said(message)
    text = f"the server answered {status}" + (f": {said}" if said else "")
    lower = {name.lower(): value for name, value in headers.items()}
    wait_s = _retry_after_s(lower)
    if wait_s is None and fault == "rate_limited":
        wait_s = max(_resets_s(lower), default=None)
    return ModelError(text, fault=fault, retry_after_s=wait_s)


def connection_error(error: BaseException, message: str | None = None) -> ModelError:
    """Returns the error that a connection which failed, broke or timed out stands for.

    Args:
        error: What the client raised; what it came of is looked at as well.
        message: What it says, where that is not all of its text.
    """
    for cause in _causes(error):
        if why := _unreached(cause):
            return UnreachableError(why)
    kind, said = type(error).__name__, _said(str(error) if message is None else message)
    return ModelError(f"no answer: {kind}" + (f": {said}" if said else ""), fault="unavailable")


def rubbish_error(what: str) -> ModelError:
    """Returns the error that an answer stands for which is not what its protocol promises."""
    return ModelError(
        f"the server's answer is not to be understood: {_said(what)}", fault="unavailable"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and all that it came of, the nearest first."""
    left, seen = deque([error]), {id(error)}
    while left:
        one = left.popleft()
        yield one
        of = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for cause in (*of, one.__cause__, one.__context__):
            if cause is not None and id(cause) not in seen:
                seen.add(id(cause))
                left.append(cause)


def _unreached(error: BaseException) -> str | None:
    """Returns why no connection came about; None where an error says nothing of that."""
    if isinstance(error, socket.gaierror):
        return "the host's name cannot be resolved"
    if isinstance(error, ssl.SSLError):
        return f"no secure connection: {_said(str(error))}"
    if isinstance(error, OSError) and error.errno in _UNREACHED:
        return os.strerror(error.errno).lower()
    if type(error).__name__ in _CONNECT_TIMEOUTS:
        return "no connection came about in time"
    return None


def _said(text: str) -> str:
    """Returns the beginning of what a server says, without secrets, on one line, fit to print."""
    line = " ".join(scrub(text).split())[:_LONGEST_MESSAGE]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _fault(status: int, message: str) -> ModelFault:
    if status in (400, 413, 422) and (status == 413 or _OVERLONG.search(message)):
        return "overlong"
    if status in _REFUSED and _REFUSED[status].search(message):
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
    wait_s = _span_s(headers.get("retry-after-ms", "") + "ms")
    if wait_s is None:
        wait_s = _span_s(headers.get("retry-after", ""))
    return wait_s


def _resets_s(headers: Mapping[str, str]) -> Iterator[float]:
    """Yields after how many seconds the limits that are used up begin anew.

    They stand in `x-ratelimit-reset-requests` and its like, in
    `anthropic-ratelimit-requests-reset` and its like.
    """
    for name, value in headers.items():
        if "ratelimit" in name and "-reset" in name:
            used_up = headers.get(name.replace("-reset", "-remaining")) == "0"
            if used_up and (wait_s := _span_s(value)) is not None:
                yield wait_s


def _span_s(text: str) -> float | None:
    """Reads a span of time, or a date as the span from now; None where it is neither."""
    try:
        if (found := _SPAN.fullmatch(text)) and text:
            hours, minutes, number, unit = found.groups(default="0")
            seconds = float(number) / (1000 if unit == "ms" else 1)
            seconds += 3600 * float(hours) + 60 * float(minutes)
            return seconds if math.isfinite(seconds) else None
        return max(0.0, (_date(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _date(text: str) -> datetime:
    """Reads a date as HTTP, or as RFC 3339, has it."""
    return datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
