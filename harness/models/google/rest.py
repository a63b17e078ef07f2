"""Google's REST interface, as the SDK's clients speak it: in threads, and to be stopped.

The SDK's asynchronous clients do not speak REST, so its blocking ones do, in threads of their
own. To stop a call, its connection is shut down: the thread then comes back with an error.

The SDK's messages know neither thinking nor the tokens that it takes, and would encode a prompt
anew for each request. So they carry only names and times; the prompt, the parameters and the
answer pass beside them, as the JSON that is sent and received.
"""

import asyncio
import json
import socket
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from google.auth.api_key import Credentials
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from icil.harness.models.answers import error_text, outline, read_object
from icil.harness.models.chat.bodies import Body
from icil.harness.models.errors import connection_error, rubbish_error

with warnings.catch_warnings():  # it announces the end of its support for this Python
    warnings.simplefilter("ignore", FutureWarning)
    from google.ai import generativelanguage_v1beta as sdk
    from google.ai.generativelanguage_v1beta.services.cache_service.transports import (
        CacheServiceRestTransport,
    )
    from google.ai.generativelanguage_v1beta.services.generative_service.transports import (
        GenerativeServiceRestTransport,
    )

_THREADS = 1024
"""How many calls may be under way; those beyond wait for a thread."""
_CONNECT_S = 30.0

Json = dict[str, Any]


class ApiError(Exception):
    """An answer other than 200.

    Args:
        status: The HTTP status.
        message: What the server says.
        headers: The answer's headers; with the `Retry-After` that Google hides in the body.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"{status} {message}")
        self.status, self.message, self.headers = status, message, headers


class Beside(NamedTuple):
    """What a request says that the SDK's message cannot hold."""

    contents: Callable[[], Iterable[bytes]]
    """Makes the JSON of the prompt's messages, commas included; called in the thread."""
    fields: Mapping[str, Any]


class Kept(NamedTuple):
    """A content that Google caches."""

    name: str
    tokens: int


class GoogleRest:
    """Google's models and cached contents.

    Args:
        url: Where requests go, without a version.
        key: Goes into a header.
        timeout_s: After how many seconds of silence a call is given up.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="google")
        credentials = Credentials(key)  # type: ignore[no-untyped-call]
        self._adapter = _Adapter(timeout_s)
        models = GenerativeServiceRestTransport(host=url, credentials=credentials)
        caches = CacheServiceRestTransport(host=url, credentials=credentials)
        for transport in (models, caches):
            for scheme in ("http://", "https://"):
                transport._session.mount(scheme, self._adapter)
        self._models = sdk.GenerativeServiceClient(transport=models)
        self._caches = sdk.CacheServiceClient(transport=caches)

    async def generate(self, model: str, kept: str | None, beside: Beside) -> Json:
        """Returns a model's answer.

        Args:
            model: The model's resource name.
            kept: The name of the cached content that the prompt begins with, if any.
            beside: The rest of the request.

        Raises:
            ApiError: The server refused.
            ModelError: There was no answer, or not a whole one.
        """
        request = sdk.GenerateContentRequest(model=model, cached_content=kept)
        return await self._call(self._models.generate_content, request, beside)

    async def keep(self, model: str, life: timedelta, beside: Beside) -> Kept:
        """Has a content cached, see `generate`."""
        content = sdk.CachedContent(model=model, ttl=life)
        request = sdk.CreateCachedContentRequest(cached_content=content)
        answer = await self._call(self._caches.create_cached_content, request, beside)
        match answer:
            case {"name": str(name), "usageMetadata": {"totalTokenCount": int(tokens)}}:
                return Kept(name, tokens)
            case {"name": str(name)}:
                return Kept(name, 0)
        raise rubbish_error(f"it names no cached content: {outline(answer)}")

    async def prolong(self, name: str, life: timedelta) -> None:
        """Has a cached content live from now on for so long, see `generate`."""
        content = sdk.CachedContent(name=name, ttl=life)
        request = sdk.UpdateCachedContentRequest(
            cached_content=content, update_mask={"paths": ["ttl"]}
        )
        await self._call(self._caches.update_cached_content, request)

    async def delete(self, name: str) -> None:
        """Has a cached content deleted, see `generate`."""
        request = sdk.DeleteCachedContentRequest(name=name)
        await self._call(self._caches.delete_cached_content, request)

    def close(self) -> None:
        """Closes the connections."""
        self._adapter.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(
        self, method: Callable[..., object], request: object, beside: Beside | None = None
    ) -> Json:
        call = _Call(beside)
        loop = asyncio.get_running_loop()
        try:
            content = await loop.run_in_executor(self._threads, call.make, method, request)
        except asyncio.CancelledError:
            call.stop()
            raise
        return read_object(content)


class _Call:
    """One call, made in a thread, that another thread may stop."""

    def __init__(self, beside: Beside | None) -> None:
        self.answer = b""
        self._beside = beside
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._stopped = False

    def make(self, method: Callable[..., object], request: object) -> bytes:
        """Calls a method of the SDK; returns the answer's body."""
        _this_thread.call = self
        try:
            method(request=request, retry=None, timeout=None)
        except RequestException as error:
            raise connection_error(error) from None
        finally:
            self._use(None)
        return self.answer

    def complete(self, request: PreparedRequest) -> None:
        """Adds to a request what is beside the SDK's message."""
        if self._beside is None:
            return
        assert isinstance(request.body, str | bytes)
        head = json.dumps({**json.loads(request.body), **self._beside.fields, "contents": []})
        body = _Body((head[:-2].encode(), *self._beside.contents(), b"]}"))
        request.body = body
        request.headers["Content-Length"] = str(len(body))

    def goes_through(self, connection: socket.socket | None) -> None:
        """Is told which connection it is sent through, before it is."""
        self._use(connection)
        if self._stopped:
            raise ConnectionAbortedError("the call was stopped")

    def stop(self) -> None:
        """Breaks the call off, from any thread."""
        with self._lock:
            self._stopped = True
            if self._socket is not None:
                with suppress(OSError):  # it has just been closed
                    # Not the TLS socket's own method, which is not made for two threads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _use(self, connection: socket.socket | None) -> None:
        with self._lock:
            self._socket = connection


class _ThisThread(threading.local):
    """What a thread works on."""

    call: _Call


_this_thread = _ThisThread()


class _Body:
    """A request's body, never copied into one piece."""

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        self._pieces = pieces

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def __iter__(self) -> Iterator[bytes]:
        return Body(self._pieces, len(self)).chunks()


class _TellsConnection(HTTPConnection):
    """Tells the call that goes through it."""

    def connect(self) -> None:
        super().connect()
        _this_thread.call.goes_through(self.sock)

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:
            _this_thread.call.goes_through(self.sock)
        super().request(*args, **options)


class _Plain(_TellsConnection):
    pass


class _Secure(_TellsConnection, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    """Sends what the SDK asks for, once, and takes the answer before the SDK reads it."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(pool_maxsize=_THREADS)
        self._timeouts = (_CONNECT_S, timeout_s)

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        call = _this_thread.call
        call.complete(request)
        response = super().send(request, **{**options, "timeout": self._timeouts, "stream": False})
        call.answer = response.content
        if response.status_code != 200:
            raise _api_error(response)
        response._content = b"{}"  # all that the SDK gets to read, whatever came
        return response

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._tell(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        self._tell(manager)
        return manager

    def _tell(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


def _api_error(response: Response) -> ApiError:
    headers = dict(response.headers)
    if "retry-after" not in response.headers and (wait := _retry_delay(response.content)):
        headers["retry-after"] = wait
    return ApiError(response.status_code, error_text(response.content), headers)


def _retry_delay(content: bytes) -> str | None:
    """Returns the seconds that Google asks to wait, which it does in the body."""
    with suppress(ValueError):
        match json.loads(content):
            case {"error": {"details": [*details]}}:
                for detail in details:
                    match detail:
                        case {"retryDelay": str(delay)}:
                            return delay.removesuffix("s")
    return None
