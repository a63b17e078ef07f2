"""openpi's protocol: a WebSocket, a map of msgpack each way, and its dialects.

    openpi      metadata first, then observation → {"actions": chunk}; no reset
    roboarena   the same with `endpoint` (`infer` or `reset`) and `session_id` in each message;
                a reset is answered with a text
    vllm_omni   at /v1/realtime/robot/openpi; the answer may be the chunk itself
    ricl        the keys of observations begin with `query_`; the server holds the demonstrations

A policy that takes demonstrations says `demonstrations: trajectory` in its metadata, and is sent
one message `{"endpoint": "demonstrations", …}` an episode, which it answers with a map. Pings are
not waited for: a server that compiles its model for a minute answers none.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

import numpy as np

from icil.harness.models.errors import connection_error, rubbish_error
from icil.harness.policies.addresses import bare
from icil.harness.policies.codec import CodecError, pack, unpack
from icil.harness.policies.wire import Answered, Observed, Session, Shown, Wire, late, rubbish
from icil.harness.secrets import scrub
from icil.prompt_builders.png import encode_png
from icil.tasks import ModelError, UsageError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed

Dialect = Literal["openpi", "roboarena", "vllm_omni", "ricl"]
DIALECTS: tuple[Dialect, ...] = ("openpi", "roboarena", "vllm_omni", "ricl")

_OMNI_PATH = "/v1/realtime/robot/openpi"
_CONNECT_S, _CLOSE_S = 30.0, 2.0
_SHOW_S = 600.0
"""How long a server may take over demonstrations: hundreds of megabytes of pictures."""
_LONGEST_MESSAGE = 256 << 20
"""In bytes, either way."""
_LONGEST_FAULT = 200
"""Characters of a server's own words that an error repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Openpi(Wire):
    """The protocol at an address.

    Args:
        url: `ws://host:port` or `wss://…`, perhaps with a path.
        dialect: One of `DIALECTS`.
        key: Sent as `Authorization: Api-Key …`; None for none.
    """

    name: ClassVar[str] = "vla/openpi"
    url: str
    dialect: Dialect = "openpi"
    key: str | None = None

    @property
    def endpoint(self) -> str:  # type: ignore[override]
        """The address without user, password and query."""
        return bare(self.url)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The dialect, unless it is openpi's own."""
        return {} if self.dialect == "openpi" else {"dialect": self.dialect}

    async def open(self) -> "OpenpiSession":
        """Connects and reads the metadata; see `Wire`."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

        path = urlsplit(self.url).path
        bare = self.dialect == "vllm_omni" and path in ("", "/")
        try:
            connection = await connect(
                self.url.rstrip("/") + _OMNI_PATH if bare else self.url,
                compression=None,
                max_size=_LONGEST_MESSAGE,
                ping_interval=None,
                open_timeout=_CONNECT_S,
                close_timeout=_CLOSE_S,
                proxy=None,
                additional_headers={"Authorization": f"Api-Key {self.key}"} if self.key else None,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            refused = status in (401, 403, 404)
            raise ModelError(
                f"{self.endpoint} refuses the connection with status {status}",
                fault="fatal" if refused else "unavailable",
            ) from error
        except TimeoutError as error:
            raise late(_CONNECT_S, "no WebSocket was opened") from error
        except InvalidHandshake as error:
            raise rubbish_error(f"it speaks no WebSocket: {error}") from error
        except (OSError, WebSocketException) as error:
            raise connection_error(error) from error
        session = OpenpiSession(connection, self.dialect)
        try:
            await session.greet()
        except BaseException:
            await session.close()
            raise
        return session


class OpenpiSession(Session):
    """See `Openpi.open`."""

    def __init__(self, connection: "ClientConnection", dialect: Dialect) -> None:
        self._connection, self._dialect = connection, dialect
        self._name = str(uuid.uuid4())  # the server's name for it, and nowhere else
        self.metadata: Mapping[str, Any] = {}

    async def greet(self) -> None:
        """Reads the metadata, which comes first."""
        found = await self._receive(_CONNECT_S, text=True)
        if not isinstance(found, Mapping):
            raise rubbish_error(f"metadata is {found!r:.60}, not a map")
        self.metadata = {str(key): value for key, value in found.items()}

    async def begin(self, demonstrations: Sequence[Shown]) -> None:
        """See `Session`."""
        if self._dialect == "roboarena":
            await self._send({"endpoint": "reset", "session_id": self._name})
            await self._receive(_CONNECT_S, text=True)
        if demonstrations:
            packed = await asyncio.to_thread(_packed, demonstrations)
            await self._send_bytes(packed, _SHOW_S)
            await self._receive(_SHOW_S)

    async def infer(self, observed: Observed, timeout_s: float) -> Answered:
        """See `Session`."""
        message = dict(observed)
        if self._dialect == "roboarena":
            message |= {"endpoint": "infer", "session_id": self._name}
        elif self._dialect == "ricl":
            message = {f"query_{key}": value for key, value in message.items()}
        await self._send(message, timeout_s)
        found = await self._receive(timeout_s)
        return Answered(content=found, timing=_timing(found))

    async def close(self) -> None:
        """See `Session`."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._connection.close()
        except TimeoutError:  # a server that reads nothing does not read this either
            self._connection.transport.abort()

    async def _send(self, message: Mapping[str, Any], timeout_s: float = _CONNECT_S) -> None:
        try:
            await self._send_bytes(pack(message), timeout_s)
        except CodecError as error:
            raise ModelError(str(error), fault="fatal") from error

    async def _send_bytes(self, data: bytes, timeout_s: float) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            async with asyncio.timeout(timeout_s):  # one that reads nothing takes nothing
                await self._connection.send(data)
        except TimeoutError as error:
            raise late(timeout_s, "the server did not take the message") from error
        except ConnectionClosed as error:
            raise _closed(error) from error
        except OSError as error:
            raise connection_error(error) from error

    async def _receive(self, timeout_s: float, *, text: bool = False) -> Any:
        """Returns the server's next message.

        Args:
            timeout_s: How long to wait for it, in seconds.
            text: Whether a text is an answer, too; else it tells of a fault.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            async with asyncio.timeout(timeout_s):
                data = await self._connection.recv()
        except TimeoutError as error:
            raise late(timeout_s) from error
        except ConnectionClosed as error:
            raise _closed(error) from error
        except OSError as error:
            raise connection_error(error) from error
        if isinstance(data, str):
            if text:
                return data
            raise ModelError(f"the policy failed: {_last_line(data)}", fault="unavailable")
        try:
            return unpack(data)
        except CodecError as error:
            raise rubbish(str(error), data) from error


def check_installed(whose: str = "vla/openpi") -> None:
    """Raises an error unless the libraries are there.

    Args:
        whose: Who needs them, for the message.

    Raises:
        UsageError: They are not; the message says how to get them.
    """
    try:
        import msgpack
        import websockets
    except ImportError as error:
        raise UsageError(
            f"{whose} needs websockets and msgpack: pip install 'icil[vla]'"
        ) from error
    del msgpack, websockets


def _closed(error: "ConnectionClosed") -> ModelError:
    """Returns the error that a connection stands for which the server ended."""
    if error.rcvd is None:
        return ModelError("no answer: the connection broke", fault="unavailable")
    why = _last_line(error.rcvd.reason) if error.rcvd.reason else "it says nothing of why"
    return ModelError(
        f"no answer: the server closed the connection with {error.rcvd.code}: {why}",
        fault="unavailable",
    )


def _packed(demonstrations: Sequence[Shown]) -> bytes:
    shown = [
        {
            "observations": [_encoded(observed) for observed in one.observations],
            "actions": one.actions,
        }
        for one in demonstrations
    ]
    return pack({"endpoint": "demonstrations", "demonstrations": shown})


def _encoded(value: Any) -> Any:
    """Returns a value with its pictures, (height, width, 3) of uint8, as PNG."""
    if isinstance(value, Mapping):
        return {key: _encoded(one) for key, one in value.items()}
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3:
        if value.shape[2] == 3:
            return {"png": encode_png(value)}
        if value.shape[0] == 3:
            return {"png": encode_png(np.ascontiguousarray(value.transpose(1, 2, 0)))}
    return value


def _timing(answer: Any) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for name in ("policy_timing", "server_timing"):
        times = answer.get(name) if isinstance(answer, Mapping) else None
        value = times.get("infer_ms") if isinstance(times, Mapping) else None
        if isinstance(value, int | float | np.number) and np.isfinite(value):
            found[name.replace("timing", "ms")] = round(float(value), 3)
    return found


def _last_line(traceback: str) -> str:
    lines = [line.strip() for line in scrub(traceback).splitlines() if line.strip()]
    said = lines[-1][:_LONGEST_FAULT] if lines else "it says nothing of why"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in said)
