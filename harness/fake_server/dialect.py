"""A dialect: how one provider words requests, answers and errors.

A dialect reads a request into a `Call`, which knows nothing of providers, and writes what
became of it. What every provider has (keys, limits, faults, caches) is in `exchange.py`; a
dialect says only how its provider words it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from icil.harness.fake_server.answers import Answer
from icil.harness.fake_server.cache import CacheRule, CacheUse
from icil.harness.fake_server.call import Call, PartReader

Json = dict[str, Any]
S = TypeVar("S", bound=BaseModel)
ProblemKind = Literal[
    "invalid",
    "key",
    "no_content",
    "no_key",
    "no_path",
    "overloaded",
    "rate",
    "refused_parameter",
    "server",
    "timeout",
    "too_large",
    "too_long",
    "too_many_images",
    "unavailable",
    "unknown_model",
]


class Schema(BaseModel):
    """A JSON object of which every name is known."""

    model_config = ConfigDict(extra="forbid")


class Wording(NamedTuple):
    """How a provider words a problem."""

    status: int
    type: str
    message: str
    """With fields for `str.format`."""
    code: str | None = None


class ApiError(Exception):
    """An answer other than 200, in a provider's words."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


class Quota(NamedTuple):
    """What is left of a rate limit."""

    limit: int
    """Requests that fit into `reset_s`."""
    remaining: int
    reset_s: float
    """When all of it is there again, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An answer with its accounts, ready to be worded."""

    call: Call
    answer: Answer
    use: CacheUse
    number: int
    """Of the request, since the server began."""
    now: float
    """In unix seconds."""

    @property
    def output_tokens(self) -> int:
        """Of the reasoning and the text."""
        return self.answer.reasoning_tokens + self.answer.tokens


def bearer(headers: Mapping[str, str]) -> str | None:
    """Returns the key of an `Authorization: Bearer KEY` header."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.strip() else None


class Dialect(ABC):
    """How one provider words things."""

    name: ClassVar[str]
    wordings: ClassVar[Mapping[ProblemKind, Wording]]
    max_images: ClassVar[int]
    """The most images in a request, unless the server is told otherwise."""
    max_request_bytes: ClassVar[int]
    """The longest request, unless the server is told otherwise."""
    wants_key: ClassVar[bool] = True

    @abstractmethod
    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """Returns the key that came with a request."""

    @abstractmethod
    def image_tokens(self, width: int, height: int) -> int:
        """Counts the tokens of an image, its sides in pixels."""

    @abstractmethod
    def read(self, body: bytes, model: str, parts: PartReader) -> Call:
        """Reads a request for an answer.

        Args:
            body: The request's.
            model: The model's name where the path has it, else empty.
            parts: Collects the prompt.

        Raises:
            ApiError: The provider would refuse it.
        """

    @abstractmethod
    def rule(self, call: Call) -> CacheRule:
        """Returns how the provider caches a call."""

    @abstractmethod
    def write(self, result: Result) -> Json:
        """Words an answer."""

    @abstractmethod
    def malformed(self, kind: str, place: tuple[str | int, ...], message: str) -> ApiError:
        """Returns what the provider says of a body that is not as its schema has it.

        Args:
            kind: As pydantic names it, such as `missing` or `extra_forbidden`.
            place: Where in the body it is wrong.
            message: What is wrong.
        """

    @abstractmethod
    def error(self, wording: Wording, message: str, facts: Mapping[str, Any]) -> Json:
        """Words a problem."""

    @abstractmethod
    def models(self, names: Sequence[str], context_tokens: int | None, now: float) -> Json:
        """Words the list of models."""

    @abstractmethod
    def model(self, name: str, context_tokens: int | None, now: float) -> Json:
        """Words what is known of a model."""

    def needed_header(self) -> str | None:
        """Returns the name of a header that every request must have, if there is one."""
        return None

    def read_count(self, body: bytes, model: str, parts: PartReader) -> Call:
        """Reads a request to count the tokens of a prompt; arguments as in `read`."""
        raise self.problem("no_path", method="POST", path="")

    def write_count(self, call: Call) -> Json:
        """Words how many tokens a prompt has."""
        raise self.problem("no_path", method="POST", path="")

    def context_of(self, call: Call) -> int:
        """Returns how many tokens a call needs of the model's context."""
        return call.tokens

    def check_stream(self) -> None:
        """Raises `ApiError` unless answers can be streamed."""
        raise self.invalid("This server does not stream answers in this dialect.")

    def write_stream(self, result: Result) -> bytes:
        """Words an answer as server-sent events."""
        raise NotImplementedError

    def headers(self, number: int) -> dict[str, str]:
        """Returns the headers of every response."""
        return {}

    def quota_headers(self, quota: Quota, now: float) -> dict[str, str]:
        """Returns the headers that tell what is left of a rate limit."""
        return {}

    def problem(self, kind: ProblemKind, **facts: Any) -> ApiError:
        """Returns a problem as the provider words it.

        Args:
            kind: Of which kind it is.
            facts: What its wording has fields for.
        """
        wording = self.wordings[kind]
        return ApiError(wording.status, self.error(wording, wording.message.format(**facts), facts))

    def parse(self, schema: type[S], body: bytes) -> S:
        """Reads a body by its schema.

        Raises:
            ApiError: It is not as the schema has it.
        """
        try:
            return schema.model_validate_json(body)
        except ValidationError as error:
            # Of the branches of a union, the one that got furthest is the one that was meant.
            wrong = max(error.errors(include_url=False, include_input=False), key=_depth)
            raise self.malformed(wrong["type"], wrong["loc"], wrong["msg"]) from None

    def invalid(self, message: str, **facts: Any) -> ApiError:
        """Returns what the provider says of a request that cannot be."""
        return self.problem("invalid", message=message, **facts)


def _depth(error: ErrorDetails) -> int:
    return len(error["loc"])


def timestamp(now: float) -> str:
    """Returns unix seconds as RFC 3339 has them, in UTC."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
