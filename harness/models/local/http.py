"""HTTP to local servers: one pool of connections, and bodies that are sent from where they lie.

aiohttp would copy a body of megabytes, and hold up the event loop while it does. Here a body
is a list of chunks that are sent piece by piece, and others take their turn between two
pieces. Its length is told beforehand: some servers take no chunked encoding.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from icil.harness.models.errors import connection_error, rubbish_error

_PIECE = 256 << 10
"""Bytes that are sent before others take their turn."""
_CONNECT_S = 10.0
_KEEP_ALIVE_S = 4.0
"""Shorter than uvicorn and llama.cpp keep a connection (5 s), or a request might be sent into one
that is just being closed."""
_LONGEST_ANSWER = 64 << 20
"""In bytes."""


class Response(NamedTuple):
    """What a server sent, whatever its status."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Client:
    """Posts to one address, through as many connections as are needed at once.

    Args:
        url: Where to.
        key: Sent as a bearer token; None to send none.
        timeout_s: After how many seconds a request is given up.
    """

    def __init__(self, url: str, key: str | None, *, timeout_s: float) -> None:
        self._url = URL(url)
        # Nothing is compressed on the way to a local server and back.
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def post(self, chunks: Sequence[bytes]) -> Response:
        """Sends a body of JSON.

        Raises:
            ModelError: There was no answer, or not all of it, or more than 64 MiB.
        """
        try:
            async with self._opened().post(
                self._url, data=_Chunks(chunks), allow_redirects=False
            ) as response:
                content = await _read(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise connection_error(error) from error
        return Response(response.status, response.headers, content)

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(
                    total=self._timeout_s, sock_connect=min(_CONNECT_S, self._timeout_s)
                ),
            )
        return self._session


class _Chunks(Payload):
    """A body in chunks, of which only small ones are joined."""

    _value: Sequence[bytes]

    def __init__(self, chunks: Sequence[bytes]) -> None:
        super().__init__(chunks, content_type="application/json")
        self._size = sum(map(len, chunks))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        small: list[bytes] = []
        for chunk in self._value:
            if len(chunk) <= _PIECE:
                small.append(chunk)
                continue
            await writer.write(b"".join(small))
            small.clear()
            view = memoryview(chunk)
            for start in range(0, len(view), _PIECE):
                await writer.write(view[start : start + _PIECE])
                await asyncio.sleep(0)  # a fast connection never makes the writer wait
        await writer.write(b"".join(small))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    read: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        read.append(chunk)
        size += len(chunk)
        if size > _LONGEST_ANSWER:
            raise rubbish_error(f"it is longer than {_LONGEST_ANSWER >> 20} MiB")
    return b"".join(read)
