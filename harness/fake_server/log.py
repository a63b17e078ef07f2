"""The log: what came in, what became of it, and how much was going on at once."""

import itertools
from collections import deque
from dataclasses import dataclass
from threading import Lock


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """A request; filled in while it is handled, and complete in the log."""

    number: int
    """From 1, in the order of arrival."""
    dialect: str
    """`openai`, `local`, `anthropic` or `gemini`."""
    method: str
    path: str
    at_once: int
    """How many requests were being handled when it arrived, itself included."""
    model: str = ""
    """Empty where the request could not be read, or asks for no answer."""
    status: int = 0
    """Of the answer; 0 where none was sent."""
    fault: str | None = None
    """The fault that was injected."""
    answered: int = 0
    """From 1, in the order in which requests were done with."""
    input_tokens: int = 0
    """Of the whole prompt, cached or not."""
    cached_tokens: int = 0
    """Of these, what was taken from a cache."""
    written_tokens: int = 0
    """Of these, what is billed as written to a cache."""
    output_tokens: int = 0
    images: int = 0
    body_bytes: int = 0
    body_sha256: str = ""
    """In hexadecimal; empty where no body was read."""
    body: bytes | None = None
    """Only where the settings ask for it."""


class RequestLog:
    """The last requests; may be read from any thread.

    Args:
        kept: How many are held.
    """

    def __init__(self, kept: int) -> None:
        self._done: deque[RequestRecord] = deque(maxlen=kept)
        self._numbers, self._answers = itertools.count(1), itertools.count(1)
        self._lock = Lock()
        self.at_once = 0
        """How many are being handled now."""
        self.most_at_once = 0
        """How many were, at most."""
        self.total = 0
        """How many were done with, also those that are held no longer."""

    def arrive(self, dialect: str, method: str, path: str) -> RequestRecord:
        """Begins the record of a request."""
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            return RequestRecord(
                number=next(self._numbers),
                dialect=dialect,
                method=method,
                path=path,
                at_once=self.at_once,
            )

    def finish(self, record: RequestRecord, status: int) -> None:
        """Completes a record."""
        with self._lock:
            self.at_once -= 1
            self.total += 1
            record.status, record.answered = status, next(self._answers)
            self._done.append(record)

    def list(self) -> list[RequestRecord]:
        """Returns those that are done with, in the order of arrival."""
        with self._lock:
            return sorted(self._done, key=lambda record: record.number)
