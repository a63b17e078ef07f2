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
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import numpy as np

from icil.harness.models.errors import connection_error, rubbish_error
from icil.harness.policies.addresses import bare
from icil.harness.policies.codec import CodecError, pack, unpack
from icil.harness.policies.wire import Answered, Observed, Session, Shown, Wire
from icil.harness.secrets import scrub
from icil.prompt_builders.png import encode_png
from icil.tasks import ModelError, UsageError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

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
        from websockets.exceptions import InvalidStatus, WebSocketException

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
        except (OSError, TimeoutError, WebSocketException) as error:
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
        found = await self._receive(_CONNECT_S)
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
        await self._connection.close()

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
            what = f"the server did not take the message within {timeout_s:g} s"
            raise connection_error(TimeoutError(what)) from error
        except (ConnectionClosed, OSError) as error:
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
            raise connection_error(TimeoutError(f"nothing came within {timeout_s:g} s")) from error
        except (ConnectionClosed, OSError) as error:
            raise connection_error(error) from error
        if isinstance(data, str):
            if text:
                return data
            raise ModelError(f"the policy failed: {_last_line(data)}", fault="unavailable")
        try:
            return unpack(data)
        except CodecError as error:
            raise rubbish_error(str(error)) from error


def check_installed() -> None:
    """Raises an error unless the libraries are there.

    Raises:
        UsageError: They are not; the message says how to get them.
    """
    try:
        import msgpack
        import websockets
    except ImportError as error:
        raise UsageError(
            "vla/openpi needs websockets and msgpack: pip install 'icil[vla]'"
        ) from error
    del msgpack, websockets


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
