"""An exchange: one request and what becomes of it, the same in every dialect.

    key → body → rate limit → prompt, limits, cache → fault → latency → cache written → answer

The prompt is read, hashed and answered in a thread, so that a request of many megabytes does
not hold up the others. The log is complete before the client sees an answer.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from fnmatch import fnmatchcase
from math import ceil
from typing import Any, NamedTuple

from aiohttp import web

from icil.harness import threads
from icil.harness.fake_server.answers import Answer, make_answer
from icil.harness.fake_server.cache import CacheStore, CacheUse
from icil.harness.fake_server.call import Call, PartReader
from icil.harness.fake_server.dialect import (
    ApiError,
    Dialect,
    Json,
    ProblemKind,
    Result,
)
from icil.harness.fake_server.faults import FaultKind, FaultPlan
from icil.harness.fake_server.gemini_dialect import GeminiDialect
from icil.harness.fake_server.images import HASH_BYTES, Pictures
from icil.harness.fake_server.limits import RateLimit
from icil.harness.fake_server.log import RequestLog, RequestRecord
from icil.harness.fake_server.settings import ServerSettings

_PROBLEMS: Mapping[FaultKind, ProblemKind] = {
    "400": "refused_parameter",
    "401": "key",
    "404": "unknown_model",
    "408": "timeout",
    "429": "rate",
    "429-date": "rate",
    "500": "server",
    "503": "unavailable",
    "529": "overloaded",
}
_RUBBISH: Mapping[FaultKind, tuple[str, bytes]] = {
    "blank": ("application/json", b""),
    "html": ("text/html", b"<html><body><h1>Bad gateway</h1></body></html>"),
    "shape": ("application/json", b'{"status": "ok", "data": []}'),
    "text": ("application/json", b"upstream connect error or disconnect"),
}
_QUICK_BYTES, _QUICK_ENTRIES = 1 << 16, 1 << 10
"""What is hashed or written without a thread."""


@dataclass(slots=True)
class Visit:
    """A request while it is handled."""

    request: web.Request
    dialect: Dialect
    record: RequestRecord
    headers: dict[str, str]
    """Of the response."""
    key: str = ""
    left: bool = False
    """Whether the connection was closed without an answer."""


class _Prepared(NamedTuple):
    """What a thread makes of a request."""

    call: Call
    answer: Answer
    use: CacheUse


class Exchange:
    """Handles requests; the state of a server.

    Args:
        settings: The server's.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.log = RequestLog(settings.kept_requests)
        self.ended = asyncio.Event()
        """Set to let go of the connections that hang."""
        self._settings = settings
        self._faults = FaultPlan(
            settings.faults, settings.script, settings.most_in_a_row, settings.seed
        )
        self._limit = RateLimit(settings.requests_per_s, settings.most_at_once, settings.clock)
        self._pictures, self._store = Pictures(), CacheStore()

    async def handle(
        self,
        request: web.Request,
        dialect: Dialect,
        act: Callable[[Visit], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Does what a request asks for, if its key is right, and logs it."""
        record = self.log.arrive(dialect.name, request.method, request.path)
        visit = Visit(request, dialect, record, dialect.headers(record.number))
        status = 500  # what aiohttp makes of an exception
        try:
            self._check_key(visit)
            response = await act(visit)
            status = 0 if visit.left else response.status
        except ApiError as problem:
            response = self.respond(visit, problem.body, problem.status)
            status = problem.status
        except asyncio.CancelledError:  # the client has gone
            status = 0
            raise
        finally:
            self.log.finish(record, status)
        return response

    def respond(self, visit: Visit, body: Json, status: int = 200) -> web.Response:
        """Returns a response with a JSON body."""
        content = json.dumps(body).encode()
        return _response(content, "application/json", status, visit.headers)

    async def answer(self, visit: Visit, model: str = "") -> web.StreamResponse:
        """Answers a prompt, or fails to."""
        place = self._faults.arrive()
        body = await self._read(visit)
        self._take(visit, model)
        prepared = await asyncio.to_thread(self._prepare, visit, body, model)
        call, _, use = prepared
        fault = self._fail(visit, place, call)
        if fault in ("drop", "hang"):
            return await self._leave(visit, fault)
        settings = self._settings
        uncached = call.tokens - use.read
        await asyncio.sleep(settings.latency_s + settings.latency_s_per_1k_tokens * uncached / 1000)
        if fault is not None and fault in _RUBBISH:
            kind, content = _RUBBISH[fault]
            return _response(content, kind, 200, visit.headers)
        now = settings.clock()
        await threads.call(len(use.entries) > _QUICK_ENTRIES, self._store.write, use.entries, now)
        content, kind = self._word(visit, prepared, now)
        if fault is not None:
            return await self._break_off(visit, content, kind, chunked=fault == "half-chunked")
        return _response(content, kind, 200, visit.headers)

    async def count(self, visit: Visit, model: str = "") -> web.Response:
        """Counts the tokens of a prompt."""
        body = await self._read(visit)
        parts = self._part_reader(visit.dialect)
        call = await asyncio.to_thread(visit.dialect.read_count, body, model, parts)
        self._note(visit, call)
        return self.respond(visit, visit.dialect.write_count(call))

    async def models(self, visit: Visit, name: str = "") -> web.Response:
        """Lists the models, or describes one."""
        settings, dialect, now = self._settings, visit.dialect, self._settings.clock()
        if not name:
            names = settings.models or ("fake-model",)
            return self.respond(visit, dialect.models(names, settings.context_tokens, now))
        self._check_model(dialect, name)
        return self.respond(visit, dialect.model(name, settings.context_tokens, now))

    async def create_held(self, visit: Visit) -> web.StreamResponse:
        """Caches a content for Gemini, or fails to."""
        place = self._faults.arrive()
        body = await self._read(visit)
        dialect = visit.dialect
        assert isinstance(dialect, GeminiDialect)
        self._take(visit, "")
        parts = self._part_reader(dialect)
        call, request = await asyncio.to_thread(dialect.read_held, body, parts)
        self._note(visit, call)
        self._check_limits(dialect, call)
        fault = self._fail(visit, place, call)
        if fault is not None:
            return await self._leave(visit, fault)
        return self.respond(visit, dialect.create_held(call, request))

    async def prolong_held(self, visit: Visit, name: str) -> web.Response:
        """Sets when one of Gemini's cached contents expires."""
        assert isinstance(visit.dialect, GeminiDialect)
        return self.respond(visit, visit.dialect.prolong_held(name, await self._read(visit)))

    async def _read(self, visit: Visit) -> bytes:
        """Returns the body of a request."""
        record = visit.record
        limit = self._settings.max_request_bytes or visit.dialect.max_request_bytes
        try:
            body = await visit.request.read()
        except web.HTTPRequestEntityTooLarge:
            raise visit.dialect.problem("too_large", limit=limit) from None
        record.body_bytes = len(body)
        digest = await threads.call(len(body) > _QUICK_BYTES, hashlib.sha256, body)
        record.body_sha256 = digest.hexdigest()
        record.body = body if self._settings.keep_bodies else None
        if len(body) > limit:
            raise visit.dialect.problem("too_large", limit=limit)
        return body

    def _check_key(self, visit: Visit) -> None:
        dialect, request = visit.dialect, visit.request
        visit.key = dialect.key(request.headers, request.query) or ""
        if dialect.wants_key and self._settings.keys and visit.key not in self._settings.keys:
            raise dialect.problem("key" if visit.key else "no_key")
        needed = dialect.needed_header()
        if needed is not None and needed not in request.headers:
            raise dialect.invalid(f"{needed}: header is required")

    def _take(self, visit: Visit, model: str) -> None:
        """Lets a request in by the rate limits, or refuses it."""
        wait_s = self._limit.take(visit.record.at_once)
        quota = self._limit.quota()
        if quota is not None:
            visit.headers |= visit.dialect.quota_headers(quota, self._settings.clock())
        if wait_s is not None:
            visit.headers["Retry-After"] = str(ceil(wait_s))
            visit.headers["retry-after-ms"] = str(ceil(wait_s * 1000))
            raise visit.dialect.problem("rate", retry_after_s=wait_s, model=model or "this model")

    def _part_reader(self, dialect: Dialect) -> PartReader:
        return PartReader(self._pictures, self._settings.bytes_per_token, dialect.image_tokens)

    def _prepare(self, visit: Visit, body: bytes, model: str) -> _Prepared:
        settings, dialect = self._settings, visit.dialect
        call = dialect.read(body, model, self._part_reader(dialect))
        self._note(visit, call)
        self._check_limits(dialect, call)
        if call.stream:
            dialect.check_stream()
        scope = hashlib.blake2b(digest_size=HASH_BYTES)
        for name in (dialect.name, visit.key, call.model):
            scope.update(name.encode() + b"\0")
        use = dialect.rule(call).use(call, scope.digest(), self._store, settings.clock())
        answer = make_answer(call, settings.answers, settings.oddities, settings.seed)
        return _Prepared(call, answer, use)

    def _note(self, visit: Visit, call: Call) -> None:
        record = visit.record
        record.model, record.images, record.input_tokens = call.model, call.images, call.tokens

    def _check_model(self, dialect: Dialect, model: str) -> None:
        if self._settings.models and model not in self._settings.models:
            raise dialect.problem("unknown_model", model=model)

    def _check_limits(self, dialect: Dialect, call: Call) -> None:
        settings = self._settings
        self._check_model(dialect, call.model)
        for pattern, names in settings.refused_parameters.items():
            for name in names if fnmatchcase(call.model, pattern) else ():
                if name in call.parameters:
                    raise dialect.problem("refused_parameter", param=name)
        facts = {"images": call.images, "model": call.model, "tokens": call.tokens}
        most = dialect.max_images if settings.max_images is None else settings.max_images
        if call.images > most:
            raise dialect.problem("too_many_images", limit=most, **facts)
        asked = dialect.context_of(call)
        if settings.context_tokens is not None and asked > settings.context_tokens:
            output = asked - call.tokens
            limit = settings.context_tokens
            raise dialect.problem("too_long", limit=limit, asked=asked, output=output, **facts)

    def _fail(self, visit: Visit, place: int, call: Call) -> FaultKind | None:
        """Returns the fault of a request, unless it is one that is a problem of the API."""
        settings = self._settings
        fault = visit.record.fault = self._faults.decide(place, call)
        if fault is None or fault not in _PROBLEMS:
            return fault
        facts: dict[str, Any] = {"model": call.model}
        if fault == "400":
            facts["param"] = "temperature"
        if fault == "429":
            visit.headers["Retry-After"] = f"{settings.retry_after_s:g}"
        if fault == "429-date":
            then = ceil(settings.clock() + settings.retry_after_s)
            visit.headers["Retry-After"] = formatdate(then, usegmt=True)
        if fault in ("429", "429-date"):
            facts["retry_after_s"] = settings.retry_after_s
        raise visit.dialect.problem(_PROBLEMS[fault], **facts)

    def _word(self, visit: Visit, prepared: _Prepared, now: float) -> tuple[bytes, str]:
        """Returns the body of an answer and its type."""
        call, answer, use = prepared
        record = visit.record
        result = Result(call=call, answer=answer, use=use, number=record.number, now=now)
        record.cached_tokens, record.written_tokens = use.read, use.written
        record.output_tokens = result.output_tokens
        if call.stream:
            return visit.dialect.write_stream(result), "text/event-stream"
        return json.dumps(visit.dialect.write(result)).encode(), "application/json"

    async def _leave(self, visit: Visit, fault: FaultKind) -> web.Response:
        """Closes the connection without an answer, now or after a while."""
        if fault == "hang":
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), self._settings.hang_s)
        visit.left = True
        _close(visit.request)
        return web.Response()

    async def _break_off(
        self, visit: Visit, content: bytes, kind: str, *, chunked: bool
    ) -> web.StreamResponse:
        """Sends half of an answer and closes the connection."""
        response = web.StreamResponse(headers={**visit.headers, "Content-Type": kind})
        if chunked:
            response.enable_chunked_encoding()
        else:
            response.content_length = len(content)
        await response.prepare(visit.request)
        await response.write(content[: len(content) // 2])
        _close(visit.request)
        return response


def _response(content: bytes, kind: str, status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(body=content, status=status, headers={**headers, "Content-Type": kind})


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
