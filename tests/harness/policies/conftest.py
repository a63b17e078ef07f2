"""Policy servers on loopback that do what a test says."""

import asyncio
import json
import threading
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
from aiohttp import web
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from icil.harness.agents import EpisodeContext, Turn
from icil.harness.policies import pack, unpack
from icil.prompt_builders import PromptOptions
from icil.tasks import make as make_task


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        self.loop.close()


class OpenpiServer:
    """Speaks openpi's protocol; `answer(message, count)` returns bytes, a text, None to hang up, a
    number of seconds to wait first, or what is to be packed."""

    def __init__(self, answer, metadata=None):
        self.answer, self.metadata = answer, metadata or {}
        self.messages, self.connections, self.headers, self.paths = [], 0, [], []

    async def handle(self, connection):
        self.connections += 1
        self.headers.append(connection.request.headers)
        self.paths.append(connection.request.path)
        await connection.send(pack(self.metadata))
        try:
            async for data in connection:
                message = unpack(data)
                self.messages.append(message)
                answer = self.answer(message, len(self.messages))
                if isinstance(answer, tuple):
                    await asyncio.sleep(answer[0])
                    answer = answer[1]
                if answer is None:
                    connection.transport.abort()
                    return
                raw = isinstance(answer, bytes | str)
                await connection.send(answer if raw else pack(answer))
                if isinstance(answer, str) and message.get("endpoint") != "reset":
                    await connection.close(1011, "error")
                    return
        except ConnectionClosed:
            pass

    async def start(self):
        self.server = await serve(self.handle, "127.0.0.1", 0, compression=None, max_size=None)
        return self.server.sockets[0].getsockname()[1]

    async def stop(self):
        self.server.close()
        await self.server.wait_closed()


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch):
    monkeypatch.setattr("icil.harness.policies.asking._FIRST_WAIT_S", 0.01)


@pytest.fixture(scope="module")
def loop():
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def openpi_server(loop):
    """Starts a server; returns it, with `url`."""
    with ExitStack() as stack:

        def start(answer, metadata=None):
            server = OpenpiServer(answer, metadata)
            server.url = f"ws://127.0.0.1:{loop.run(server.start())}"
            stack.callback(lambda: loop.run(server.stop()))
            return server

        yield start


@pytest.fixture
def websocket(loop):
    """Starts a server whose connections a coroutine handles; returns its address."""
    with ExitStack() as stack:

        def start(handle):
            async def up():
                return await serve(handle, "127.0.0.1", 0, compression=None)

            async def down():
                server.close()
                await server.wait_closed()

            server = loop.run(up())
            stack.callback(lambda: loop.run(down()))
            return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield start


@pytest.fixture
def act_server(loop):
    """Starts a server of /act; `answer(message)` returns a status and a body, or a JSON value."""
    with ExitStack() as stack:

        def start(answer):
            messages, resets = [], []

            async def act(request):
                messages.append(json.loads(await request.read()))
                found = answer(messages[-1])
                if isinstance(found, tuple):
                    return web.Response(status=found[0], body=found[1])
                return web.json_response(found)

            async def reset(request):
                resets.append(request.headers.get("Authorization"))
                return web.json_response({})

            app = web.Application(client_max_size=1 << 26)
            app.router.add_post("/act", act)
            app.router.add_post("/reset", reset)
            runner = web.AppRunner(app)

            async def up():
                await runner.setup()
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                return site._server.sockets[0].getsockname()[1]

            url = f"http://127.0.0.1:{loop.run(up())}"
            stack.callback(lambda: loop.run(runner.cleanup()))
            return SimpleNamespace(url=url, messages=messages, resets=resets)

        yield start


TASK = make_task("cheetah")


def context(demonstrations=()):
    return EpisodeContext(
        task=TASK,
        format="",
        opening=TASK.openings("evaluation")[0],
        demonstrations=demonstrations,
        options=PromptOptions(),
        generator=lambda step: np.random.default_rng(step),
    )


def turns(episode, count):
    env = TASK.make_env()
    TASK.reset(env, episode.opening)
    return [
        Turn(episode=episode, step=step, env=env, observation=None, prompt=None)
        for step in range(count)
    ]


def play_steps(agent, count=1, demonstrations=()):
    """Asks an agent so many times in one episode; returns its replies."""

    async def go():
        episode = context(demonstrations)
        await agent.prepare()
        try:
            await agent.begin(episode)
            try:
                return [await agent.act(turn) for turn in turns(episode, count)]
            finally:
                await agent.end(episode)
        finally:
            await agent.close()

    return asyncio.run(go())


@pytest.fixture
def play():
    return play_steps
