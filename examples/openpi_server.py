"""Serves a policy in openpi's wire format: a WebSocket, msgpack with arrays in it.

It needs msgpack, numpy and websockets alone, and so runs in the environment of any policy. A policy
has `metadata`, which is told on connecting, and `session()`, which returns a function from an
observation, a map of arrays and texts, to a chunk of actions, shape (steps, dimension). A
connection is an episode and has a session of its own.
"""

import asyncio
import contextlib
import http
import logging
import traceback

import msgpack
import numpy as np


def main(parser, load):
    """Serves what `load` makes of the arguments until Ctrl-C."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    if bool(given.path) == bool(given.random):
        parser.error("give either a policy or --random")
    # Whoever comes and speaks no WebSocket would leave a traceback.
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(load(given), given.host, given.port))


async def serve(policy, host, port, ready=None):
    """Answers until cancelled; `ready` is told host and port once it listens."""
    from websockets.asyncio.server import serve

    one_at_a_time = asyncio.Lock()

    async def talk(connection):
        infer = policy.session()
        await connection.send(pack(policy.metadata))
        async for data in connection:
            try:
                async with one_at_a_time:
                    chunk = await asyncio.to_thread(infer, unpack(data))
            except Exception:  # noqa: BLE001 - told to the client, as openpi's server does
                await connection.send(traceback.format_exc())
                await connection.close(1011, "the observation could not be answered")
                return
            await connection.send(pack({"actions": np.asarray(chunk, np.float32)}))

    def health(connection, request):
        return (
            connection.respond(http.HTTPStatus.OK, "OK\n") if request.path == "/healthz" else None
        )

    options = {"compression": None, "max_size": None, "ping_interval": None}
    async with serve(talk, host, port, process_request=health, **options) as server:
        where = server.sockets[0].getsockname()[:2]
        if ready:
            ready(*where)
        print(f"serving at ws://{where[0]}:{where[1]}", flush=True)
        await server.serve_forever()


def pack(value):
    """Returns a message as bytes."""

    def worded(array):
        return {
            b"__ndarray__": True,
            b"data": np.ascontiguousarray(array).tobytes(),
            b"dtype": array.dtype.str,
            b"shape": array.shape,
        }

    return msgpack.packb(value, default=worded)


def unpack(data):
    """Returns the message that bytes are."""

    def read(found):
        if b"__ndarray__" in found:
            return np.frombuffer(found[b"data"], found[b"dtype"]).reshape(found[b"shape"])
        if b"__npgeneric__" in found:
            return np.dtype(found[b"dtype"]).type(found[b"data"])
        return found

    return msgpack.unpackb(data, object_hook=read)
