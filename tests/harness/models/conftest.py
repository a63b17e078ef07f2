"""What the tests of models share: prompts as the builder makes them, servers on loopback."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Thread
from typing import Any

import pytest
from aiohttp import web

from icil.harness.fake_server import FakeServer, ServerSettings, serve_in_thread
from icil.harness.models import Completion, Provider, Sampling
from icil.prompt_builders import Prompt, PromptBuilder, PromptOptions, Selection, load_template
from icil.tasks import load_pool_for, make

KEY = "sk-test-0123456789abcdefghij"
KEYS = ("ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "ICIL_LOCAL_API_KEY", "OPENAI_API_KEY")


@pytest.fixture(scope="session")
def gridworld() -> Any:
    return make("gridworld")


@pytest.fixture(scope="session")
def make_prompts(gridworld: Any) -> Callable[..., list[Prompt]]:
    """Returns a function that plays the first legal actions and gives each step's prompt."""
    pool = load_pool_for(gridworld)

    def make_prompts(
        format: str = "coords",
        *,
        steps: int = 3,
        demonstrations: int = 4,
        first: int = 0,
        opening: int = 0,
        **options: Any,
    ) -> list[Prompt]:
        chosen = pool.demonstrations[first : first + demonstrations]
        builder = PromptBuilder(
            gridworld, format, load_template(), options=PromptOptions(**options)
        )
        prefix = builder.prefix(Selection(demonstrations=chosen, reasons=("wanted",) * len(chosen)))
        env, tail, prompts = gridworld.make_env(), builder.tail(prefix), []
        gridworld.reset(env, gridworld.openings("evaluation")[opening])
        for _ in range(steps):
            tail.observe(gridworld.observe(env, format))
            legal = gridworld.legal_actions(env)
            prompts.append(tail.question(legal))
            gridworld.step(env, gridworld.parse(legal[0], env).value)
            tail.act(legal[0])
        return prompts

    return make_prompts


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> str:
    """Sets every provider's key, and nothing else of what their clients read."""
    for provider in ("ANTHROPIC", "GOOGLE", "OPENAI"):
        monkeypatch.delenv(f"{provider}_BASE_URL", raising=False)
    for name in KEYS:
        monkeypatch.setenv(name, KEY)
    return KEY


@pytest.fixture
def point_at(keys: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Returns a function that points every provider at a server."""

    def point_at(url: str) -> None:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        monkeypatch.setenv("GOOGLE_BASE_URL", url)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")

    return point_at


@pytest.fixture
def serve(point_at: Callable[[str], None]) -> Iterator[Callable[..., FakeServer]]:
    """Returns a function that starts a server of all dialects and points everybody at it."""
    with ExitStack() as stack:

        def serve(**settings: Any) -> FakeServer:
            settings = {"keep_bodies": True, **settings}
            server = stack.enter_context(serve_in_thread(ServerSettings(**settings)))
            point_at(server.url)
            return server

        yield serve


class Strange:
    """A server that answers every request with what a function makes of its body."""

    def __init__(self, answer: Callable[[dict[str, Any]], tuple[int, Any]]) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.port = 0
        self._answer = answer

    async def handle(self, request: web.Request) -> web.Response:
        self.bodies.append(json.loads(await request.read()))
        self.headers.append(dict(request.headers))
        status, body = self._answer(self.bodies[-1])
        return web.json_response(body, status=status)

    async def start(self) -> web.AppRunner:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        return runner


@pytest.fixture
def serve_strange(point_at: Callable[[str], None]) -> Iterator[Callable[..., Strange]]:
    """Returns a function that starts a server with answers of one's own: a status, a body."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runners = []

    def serve_strange(answer: Callable[[dict[str, Any]], tuple[int, Any]]) -> Strange:
        server = Strange(answer)
        runners.append(asyncio.run_coroutine_threadsafe(server.start(), loop).result())
        point_at(f"http://127.0.0.1:{server.port}")
        return server

    yield serve_strange
    for runner in runners:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def ask() -> Callable[..., list[Completion]]:
    """Returns a function that sends prompts one after the other and closes the provider."""

    def ask(provider: Provider, *prompts: Prompt, **sampling: Any) -> list[Completion]:
        async def send() -> list[Completion]:
            try:
                wanted = Sampling(**{"max_output_tokens": 100, **sampling})
                return [await provider.complete(prompt, wanted) for prompt in prompts]
            finally:
                await provider.close()

        return asyncio.run(send())

    return ask
