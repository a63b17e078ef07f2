"""Prints what the clients of the model providers cost: CPU a call, calls a second, stalls, memory.

Run it with `python benchmarks/clients.py`; `--help` lists the options. Every adapter sends the
steps of many episodes, which share one prefix, to a server on loopback in a process of its own.
The base line is a bare aiohttp client that sends bytes which were made beforehand: those of the
`local` adapter. Each measurement is a process of its own, so that nothing is shared but the
server; only the client's CPU time counts. What each column means stands in
`docs/performance.md`.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from itertools import chain, cycle
from pathlib import Path

import numpy as np

from icil.harness.fake_server import FakeServer
from icil.harness.models import Provider, Sampling
from icil.prompt_builders import Prefix, Prompt, TextPart, encode_image
from icil.prompt_builders.prompt import History

BASE = "aiohttp"
ADAPTERS = (BASE, "local", "openai", "anthropic", "google", "google-cached", "litellm")
CONCURRENCY = (1, 16, 128)
CALLS = {"small": {1: 500, 16: 2000, 128: 3000}, "large": {1: 24, 16: 64, 128: 256}}
"""How many calls are measured, by the size of the prompt and how many are made at once."""
REPEATS = {"small": 3, "large": 1}
"""How often a measurement is made; the one with the least CPU counts."""
IMAGES, SIDE = 500, 100
"""Of the large prompt: images of noise, 30 kB each, so that the request has 20 MB."""
STEPS = 10
"""Of an episode; the tail grows up to here."""
TURN_S = 0.001
SAMPLING = Sampling(max_output_tokens=64)
KEYS = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY")

Call = Callable[[Prompt], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the calls of one adapter cost."""

    cpu_ms: float
    """A call, of all the client's threads."""
    calls_s: float
    """A second."""
    stall_ms: float
    """The longest time for which the event loop did not turn."""
    busy_ms: float
    """The longest CPU time for which it did not: what other processes take is not in it."""
    memory_mib: float
    """By how much the peak is above what the process had before its first call."""


def main() -> None:
    arguments = parsed()
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
    elif arguments.measure:
        adapter, size, at_once, port = arguments.measure
        measured = asyncio.run(measure(adapter, size, int(at_once), int(port), arguments.calls))
        print(json.dumps(asdict(measured)))
    else:
        with serving(arguments.server) as port:
            for size in arguments.sizes:
                for at_once in arguments.concurrency:
                    compare(size, at_once, port, arguments)


def parsed() -> argparse.Namespace:
    def words(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(",")))

    parser = argparse.ArgumentParser(description="What the providers' clients cost.")
    parser.add_argument("--adapters", type=words, default=ADAPTERS[1:], help=",".join(ADAPTERS[1:]))
    parser.add_argument("--sizes", type=words, default=tuple(CALLS), help="small,large")
    parser.add_argument("--concurrency", type=numbers, default=CONCURRENCY)
    parser.add_argument("--calls", type=int, help="of each measurement, instead of the usual")
    parser.add_argument(
        "--server",
        choices=("sink", "fake"),
        default="sink",
        help="one that looks at nothing, or the one that icil tests with, which takes longer",
    )
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(size: str, at_once: int, port: int, arguments: argparse.Namespace) -> None:
    print(f"\n{size} prompt, {at_once} at once")
    print(
        f"{'adapter':<14}{'CPU ms':>9}{'×':>7}{'calls/s':>9}{'×':>7}"
        f"{'stall ms':>10}{'busy ms':>9}{'MB sent':>9}{'MiB more':>10}"
    )
    base: Measured | None = None
    for adapter in (BASE, *arguments.adapters):
        before = received(port)
        runs = [
            run_apart(adapter, size, at_once, port, arguments.calls) for _ in range(REPEATS[size])
        ]
        row = min(runs, key=lambda measured: measured.cpu_ms)
        after = received(port)
        base = base or row
        sent = (after[1] - before[1]) / max(1, after[0] - before[0]) / 1e6
        print(
            f"{adapter:<14}{row.cpu_ms:>9.2f}{row.cpu_ms / base.cpu_ms:>7.2f}"
            f"{row.calls_s:>9.1f}{row.calls_s / base.calls_s:>7.2f}"
            f"{row.stall_ms:>10.1f}{row.busy_ms:>9.1f}{sent:>9.3f}{row.memory_mib:>10.1f}",
            flush=True,
        )


def run_apart(adapter: str, size: str, at_once: int, port: int, calls: int | None) -> Measured:
    options = [] if calls is None else ["--calls", str(calls)]
    command = [sys.executable, __file__, "--measure", adapter, size, str(at_once), str(port)]
    done = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE)
    return Measured(**json.loads(done.stdout))


async def measure(adapter: str, size: str, at_once: int, port: int, calls: int | None) -> Measured:
    count = calls or CALLS[size].get(at_once, 4 * at_once)
    prefix = make_prefix(size)
    episodes = [steps_of(prefix, number) for number in range(at_once)]
    call, close = await connect(adapter, f"http://127.0.0.1:{port}", episodes[0][0])
    memory, watch = Memory(), Watch()
    await call(episodes[0][0])  # makes what is made once
    await asyncio.gather(*(call(steps[0]) for steps in episodes))  # opens the connections
    left = iter(range(count))

    async def play(steps: list[Prompt]) -> None:
        prompts = cycle(steps)
        for _ in left:
            await call(next(prompts))

    watching = asyncio.create_task(watch.run())
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(play, episodes))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    watching.cancel()
    grown = memory.grown_mib()
    await close()
    return Measured(
        cpu_ms=1000 * cpu / count,
        calls_s=count / wall,
        stall_ms=1000 * watch.stall_s,
        busy_ms=1000 * watch.busy_s,
        memory_mib=grown,
    )


async def connect(
    adapter: str, url: str, prompt: Prompt
) -> tuple[Call, Callable[[], Awaitable[None]]]:
    """Returns what makes a call, and what closes the client; a prompt is given to the base line."""
    if adapter == BASE:
        return await connect_bare(f"{url}/local/v1/chat/completions", prompt)
    os.environ |= dict.fromkeys(KEYS, "sk-none")
    os.environ |= dict.fromkeys(("ANTHROPIC_BASE_URL", "GOOGLE_BASE_URL"), url)
    os.environ["OPENAI_BASE_URL"] = f"{url}/v1"
    provider = make_provider(adapter, url)
    return lambda prompt: provider.complete(prompt, SAMPLING), provider.close


def make_provider(adapter: str, url: str) -> Provider:
    if adapter == "local":
        from icil.harness.models.local.provider import LocalProvider

        return LocalProvider(f"model@{url}/local/v1")
    if adapter == "openai":
        from icil.harness.models.openai import OpenAIProvider

        return OpenAIProvider("gpt-4.1")
    if adapter == "anthropic":
        from icil.harness.models.anthropic import AnthropicProvider

        return AnthropicProvider("claude-sonnet-4-5")
    if adapter in ("google", "google-cached"):
        from icil.harness.models.google.provider import GoogleProvider

        cache_tokens = None if adapter == "google" else 4096
        return GoogleProvider("gemini-2.5-pro", cache_tokens=cache_tokens)
    if adapter == "litellm":
        from icil.harness.models.litellm.provider import LiteLLMProvider

        return LiteLLMProvider("openai/gpt-4.1")
    raise SystemExit(f"unknown adapter {adapter!r}; known: {', '.join(ADAPTERS)}")


async def connect_bare(url: str, prompt: Prompt) -> tuple[Call, Callable[[], Awaitable[None]]]:
    import aiohttp

    from icil.harness.models.local.body import Bodies, close

    body = b"".join([*await Bodies("model").chunks(prompt), close({"max_tokens": 64})])
    headers = {"Content-Type": "application/json"}
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def call(prompt: Prompt) -> object:
        async with session.post(url, data=body, headers=headers) as response:
            return json.loads(await response.read())["choices"][0]["message"]["content"]

    return call, session.close


def make_prefix(size: str) -> Prefix:
    if size == "small":
        return Prefix((TextPart("The player stands at (3, 4). Action: up\n" * 16),))
    rng = np.random.default_rng(0)
    noise = (rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for _ in range(IMAGES))
    return Prefix(
        tuple(chain.from_iterable((TextPart("Action: up\n"), encode_image(one)) for one in noise))
    )


def steps_of(prefix: Prefix, episode: int) -> list[Prompt]:
    """The prompts of an episode's steps."""
    history, prompts = History(prefix), []
    for step in range(STEPS):
        history.append(TextPart(f"Episode {episode}: at ({step}, 4), target (7, 7).\n"))
        prompts.append(history.ask((TextPart("What now?"),)))
        history.append(TextPart("Action: up\n"))
    return prompts


class Watch:
    """Notes how long the event loop does not turn."""

    stall_s = busy_s = 0.0

    async def run(self) -> None:
        """Looks at the clocks every millisecond, until it is cancelled."""
        wall, used = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(TURN_S)
            before, wall = wall, time.perf_counter()
            self.stall_s = max(self.stall_s, wall - before - TURN_S)
            before, used = used, time.thread_time()
            self.busy_s = max(self.busy_s, used - before)


class Memory:
    """The process's own memory; Linux only."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        self._before = self._read("VmRSS")

    def grown_mib(self) -> float:
        """Returns by how much the peak since the beginning is above what there was then."""
        return (self._read("VmHWM") - self._before) / 1024

    def _read(self, name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


# The servers


@contextmanager
def serving(kind: str) -> Iterator[int]:
    """Runs a server in a process of its own; gives its port."""
    command = [sys.executable, __file__, "--serve", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def serve(kind: str) -> None:
    if kind == "fake":
        server = FakeServer()
        await server.start()
        print(server.port, flush=True)
        await asyncio.Event().wait()
    listening = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


def received(port: int) -> tuple[int, int]:
    """Returns how many requests the sink has had, and how many bytes; zeros of another server."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/received")
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return tuple(json.loads(content)) if response.status == 200 else (0, 0)


USAGE = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
MESSAGE = {"role": "assistant", "content": "up"}
CHOICE = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
GEMINI = {"content": {"role": "model", "parts": [{"text": "up"}]}, "finishReason": "STOP"}
ANSWERS: dict[bytes, object] = {
    b"/chat/completions": {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "model",
        "choices": [CHOICE],
        "usage": USAGE,
    },
    b"/v1/messages": {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "model",
        "content": [{"type": "text", "text": "up"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1},
    },
    b":generateContent": {
        "candidates": [GEMINI],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1},
    },
    b"/cachedContents": {"name": "cachedContents/1", "usageMetadata": {"totalTokenCount": 9000}},
    b"": {"data": []},
}
"""By a piece of the request's path."""


class Sink(asyncio.BufferedProtocol):
    """Answers whatever comes, and looks at its first line and its length only."""

    requests = bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BufferedProtocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, bytearray(1 << 20)
        self._head, self._left = b"", 0

    def get_buffer(self, sizehint: int) -> bytearray:
        """See `asyncio.BufferedProtocol`."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        if not self._left:
            self._head += self._buffer[:nbytes]
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            lines = head.lower().split(b"\r\n")
            lengths = [line[15:] for line in lines if line.startswith(b"content-length:")]
            assert b"\r\ntransfer-encoding" not in head.lower(), head
            self._first, self._head = lines[0], b""
            self._left, nbytes = int(lengths[0]) if lengths else 0, len(body)
            Sink.requests += 1
        Sink.bytes += nbytes
        self._left -= nbytes
        if not self._left:
            self._transport.write(self._answer())

    def _answer(self) -> bytes:
        found: object = [Sink.requests, Sink.bytes]
        if b"/received" not in self._first:
            found = next(found for piece, found in ANSWERS.items() if piece.lower() in self._first)
        content = json.dumps(found).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return head % len(content) + content


if __name__ == "__main__":
    main()
