"""What a policy's step costs on this side: the codec, the round trip, the ensemble, FAST.

    .venv/bin/python benchmarks/policies.py

An observation is two frames of 224 x 224 and a state; a chunk is 50 steps of 7. Each figure is the
median over many calls, and stands beside a baseline from the same run: for the round trip, the same
number of bytes echoed over a bare WebSocket on loopback.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from icil.harness.policies import ChunkExecutor, Execution, check_chunk, pack, unpack
from icil.harness.policies.openpi import Openpi
from icil.tasks import ActionBox, load_pool_for, make
from icil.tasks.languages import cut, make_language
from icil.tasks.languages.chunks import all_actions

CALLS = 300
RNG = np.random.default_rng(0)
OBSERVATION = {
    "observation/image": RNG.integers(0, 256, (224, 224, 3), np.uint8),
    "observation/wrist_image": RNG.integers(0, 256, (224, 224, 3), np.uint8),
    "observation/state": RNG.normal(size=8).astype(np.float32),
    "prompt": "pick up the black bowl",
}
CHUNK = {"actions": RNG.uniform(-1, 1, (50, 7))}
BOX = ActionBox(np.full(7, -1.0), np.full(7, 1.0))


def timed(function: Callable[[], object], calls: int = CALLS) -> float:
    """Returns the median time of a call, in milliseconds."""
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return median(times) * 1e3


def codec() -> None:
    """Packing an observation, and unpacking and checking an answer."""
    sent, answer = pack(OBSERVATION), pack(CHUNK)
    took = timed(lambda: pack(OBSERVATION))
    print(f"pack an observation ({len(sent) / 1e3:.0f} kB)     {took:8.3f} ms")
    print(f"unpack it                        {timed(lambda: unpack(sent)):8.3f} ms")

    def read() -> object:
        return check_chunk(unpack(answer)["actions"], BOX, tolerance=0.01)

    print(f"unpack and check a chunk         {timed(read):8.3f} ms")


async def round_trips() -> None:
    """A step's round trip with our client, beside a bare echo of as many bytes."""
    sent, answer = pack(OBSERVATION), pack(CHUNK)

    async def policy(connection: ServerConnection) -> None:
        await connection.send(pack({}))
        async for _ in connection:
            await connection.send(answer)

    async def echo(connection: ServerConnection) -> None:
        async for _ in connection:
            await connection.send(answer)

    async with serve(policy, "127.0.0.1", 0, compression=None, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        session = await Openpi(url=f"ws://127.0.0.1:{port}").open()
        times = []
        for _ in range(CALLS):
            began = time.perf_counter()
            found = await session.infer(OBSERVATION, 10.0)
            check_chunk(found.content["actions"], BOX, tolerance=0.01)
            times.append(time.perf_counter() - began)
        await session.close()
    ours = median(times) * 1e3
    async with serve(echo, "127.0.0.1", 0, compression=None, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}"
        async with connect(url, proxy=None, compression=None, max_size=None) as client:
            times = []
            for _ in range(CALLS):
                began = time.perf_counter()
                await client.send(sent)
                await client.recv()
                times.append(time.perf_counter() - began)
    bare = median(times) * 1e3
    print(
        f"round trip                       {ours:8.3f} ms   bare {bare:.3f} ms, {ours / bare:.2f}x"
    )


def ensemble() -> None:
    """Averaging what 50 chunks have for a step."""
    executor = ChunkExecutor(Execution.read("ensemble:0.01"))
    for step in range(200):
        executor.take(step, CHUNK["actions"])
    print(f"temporal ensemble, 50 chunks     {timed(lambda: executor.action(199)):8.3f} ms")


def languages() -> None:
    """Encoding and decoding a chunk of the cheetah, 50 steps of 6."""
    task = make("cheetah")
    done = all_actions(task, load_pool_for(task).demonstrations[:200])
    chunks = [chunk for actions in done for chunk in cut(actions, 50)]
    for name in ("decimals:2", "integers:0-100", "dct", "fast"):
        language = make_language(name, 50, 6, lambda: chunks)
        text = language.encode(chunks[0])
        encode = timed(partial(language.encode, chunks[1]))
        decode = timed(partial(language.decode, text))
        print(f"{name:15s} encode {encode:7.3f} ms   decode {decode:7.3f} ms")


if __name__ == "__main__":
    codec()
    asyncio.run(round_trips())
    ensemble()
    languages()
