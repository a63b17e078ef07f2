"""A server on loopback that speaks the dialects of the model providers, for tests and trials.

    async with FakeServer(ServerSettings(answers="echo")) as server:
        client = openai.AsyncOpenAI(base_url=server.urls.openai, api_key="any")

It checks requests as their providers do, counts tokens, keeps prompt caches, answers, fails
to order, and logs what it saw. `serve_in_thread` is the same for code that is not async.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import NamedTuple, Self

from aiohttp import web

from icil.harness.fake_server.anthropic_dialect import AnthropicDialect
from icil.harness.fake_server.dialect import Dialect
from icil.harness.fake_server.exchange import Exchange, Visit
from icil.harness.fake_server.gemini_dialect import GeminiDialect
from icil.harness.fake_server.log import RequestRecord
from icil.harness.fake_server.openai_dialect import LocalDialect, OpenAIDialect
from icil.harness.fake_server.responses_dialect import ResponsesDialect
from icil.harness.fake_server.settings import ServerSettings
from icil.tasks.errors import UsageError

HOST = "127.0.0.1"

_LONGEST_REQUEST = 600 << 20
_SHUTDOWN_S = 1.0

Act = Callable[[Visit], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Urls(NamedTuple):
    """What the providers' clients take as their base URL."""

    openai: str
    anthropic: str
    google: str
    local: str


class FakeServer:
    """A server; starts and stops once.

    Args:
        settings: What it does.
    """

    def __init__(self, settings: ServerSettings | None = None) -> None:
        self.settings = settings or ServerSettings()
        self.port = 0
        """Where it listens; 0 before it started."""
        self._exchange: Exchange | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            UsageError: The port is in use, or not allowed.
        """
        self._exchange = Exchange(self.settings)
        app = web.Application(client_max_size=_LONGEST_REQUEST)
        _Routes(self.settings, self._exchange).add_to(app)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self.settings.port).start()
        except OSError as error:
            await runner.cleanup()
            raise UsageError(
                f"port {self.settings.port} on {HOST} cannot be listened on: "
                f"{error.strerror or error}"
            ) from error
        self._runner, self.port = runner, runner.addresses[0][1]

    async def stop(self) -> None:
        """Stops listening, and lets go of the connections that hang."""
        if self._runner is not None and self._exchange is not None:
            self._exchange.ended.set()
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """Where it is, such as `http://127.0.0.1:8080`."""
        return f"http://{HOST}:{self.port}"

    @property
    def urls(self) -> Urls:
        """Where each dialect is spoken."""
        return Urls(f"{self.url}/v1", self.url, self.url, f"{self.url}/local/v1")

    @property
    def requests(self) -> list[RequestRecord]:
        """The last requests that it is done with, in the order of arrival."""
        return self._exchange.log.list() if self._exchange else []

    @property
    def most_at_once(self) -> int:
        """How many requests it was handling at the same time, at most."""
        return self._exchange.log.most_at_once if self._exchange else 0

    @property
    def total(self) -> int:
        """How many requests it is done with."""
        return self._exchange.log.total if self._exchange else 0


@contextmanager
def serve_in_thread(settings: ServerSettings | None = None) -> Iterator[FakeServer]:
    """Runs a server in a thread of its own, with its own event loop.

    Raises:
        UsageError: As `FakeServer.start`.
    """
    server = FakeServer(settings)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="fake server", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Routes:
    """Which dialect is spoken where."""

    def __init__(self, settings: ServerSettings, exchange: Exchange) -> None:
        self._exchange = exchange
        life_s, marked = settings.openai_cache_s, settings.marked_models
        self._openai = OpenAIDialect(life_s=life_s, marked_models=marked)
        self._responses = ResponsesDialect(life_s=life_s, marked_models=marked)
        self._local = LocalDialect()
        self._anthropic = AnthropicDialect(minimum=settings.anthropic_cache_minimum)
        self._gemini = GeminiDialect(
            clock=settings.clock,
            minimum=settings.gemini_cache_minimum,
            implicit=settings.gemini_implicit_cache,
        )

    def add_to(self, app: web.Application) -> None:
        """Adds all routes to an application."""
        exchange, router = self._exchange, app.router
        router.add_post("/v1/chat/completions", self._to(self._openai, exchange.answer))
        router.add_post("/v1/responses", self._to(self._responses, exchange.answer))
        router.add_post("/v1/messages", self._to(self._anthropic, exchange.answer))
        router.add_post("/v1/messages/count_tokens", self._to(self._anthropic, exchange.count))
        for root in ("/local/v1", "/local"):
            router.add_post(f"{root}/chat/completions", self._to(self._local, exchange.answer))
            router.add_get(f"{root}/models", self._models)
            router.add_get(f"{root}/models/{{model:.+}}", self._models)
        for root in ("/v1", "/v1beta"):
            router.add_get(f"{root}/models", self._models)
            router.add_get(f"{root}/models/{{model:[^:]+}}", self._models)
            router.add_post(f"{root}/models/{{model}}:{{verb}}", self._generate)
        router.add_post("/v1beta/cachedContents", self._to(self._gemini, exchange.create_held))
        router.add_get("/v1beta/cachedContents", self._list_held)
        router.add_route("*", "/v1beta/cachedContents/{id}", self._held)
        router.add_route("*", "/{path:.*}", self._nothing)

    def _to(self, dialect: Dialect, act: Act) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await self._exchange.handle(request, dialect, act)

        return handler

    def _speaker(self, request: web.Request) -> Dialect:
        """Returns whose dialect a request is in, by its path and headers."""
        if request.path.startswith("/local"):
            return self._local
        if request.path.startswith("/v1beta"):
            return self._gemini
        spoken = request.path.startswith("/v1/messages") or "anthropic-version" in request.headers
        return self._anthropic if spoken else self._openai

    async def _models(self, request: web.Request) -> web.StreamResponse:
        async def act(visit: Visit) -> web.Response:
            return await self._exchange.models(visit, request.match_info.get("model", ""))

        return await self._exchange.handle(request, self._speaker(request), act)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        model, verb = request.match_info["model"], request.match_info["verb"]

        async def act(visit: Visit) -> web.StreamResponse:
            if verb == "generateContent":
                return await self._exchange.answer(visit, model)
            if verb == "countTokens":
                return await self._exchange.count(visit, model)
            if verb == "streamGenerateContent":
                self._gemini.check_stream()
            raise self._gemini.problem("no_path")

        return await self._exchange.handle(request, self._gemini, act)

    async def _list_held(self, request: web.Request) -> web.StreamResponse:
        async def act(visit: Visit) -> web.Response:
            size = request.query.get("pageSize", "")
            page = self._gemini.list_held(
                int(size) if size.isdecimal() and int(size) else 100,
                request.query.get("pageToken", ""),
            )
            return self._exchange.respond(visit, page)

        return await self._exchange.handle(request, self._gemini, act)

    async def _held(self, request: web.Request) -> web.StreamResponse:
        name = f"cachedContents/{request.match_info['id']}"

        async def act(visit: Visit) -> web.Response:
            if request.method == "PATCH":
                return await self._exchange.prolong_held(visit, name)
            if request.method == "DELETE":
                return self._exchange.respond(visit, self._gemini.delete_held(name))
            if request.method == "GET":
                found = self._gemini.find_held(name)
                return self._exchange.respond(visit, found.write())
            raise self._gemini.problem("no_path")

        return await self._exchange.handle(request, self._gemini, act)

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        async def act(visit: Visit) -> web.Response:
            raise visit.dialect.problem("no_path", method=request.method, path=request.path)

        return await self._exchange.handle(request, self._speaker(request), act)
