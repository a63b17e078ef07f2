"""HTTP policies: POST /act with arrays as json_numpy has them (OpenVLA, AutoEval's servers).

An array is `{"__numpy__": base64, "dtype": "<f4", "shape": [7]}`, or such a map in a text, or a
plain list. `POST /reset` begins an episode, where the server has it.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from icil.harness.models.answers import error_text
from icil.harness.models.errors import connection_error, rubbish_error, status_error
from icil.harness.policies.addresses import bare
from icil.harness.policies.wire import Answered, Observed, Session, Shown, Wire, late, rubbish
from icil.tasks import ModelError

if TYPE_CHECKING:
    import aiohttp

_RESET_S = 30.0
_LONGEST_ANSWER = 64 << 20
"""In bytes."""
_NO_RESET = (404, 405, 501)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(Wire):
    """The protocol at an address.

    Args:
        url: `http://host:port` or `https://…`, perhaps with a path before `/act`.
        extra: What is sent with each observation, such as `{"unnorm_key": "bridge_orig"}`.
        key: Sent as `Authorization: Bearer …`; None for none.
    """

    name: ClassVar[str] = "vla/act"
    url: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None

    @property
    def endpoint(self) -> str:  # type: ignore[override]
        """The address without user, password and query."""
        return bare(self.url)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is sent with each observation."""
        return {"extra": dict(self.extra)} if self.extra else {}

    async def open(self) -> "ActSession":
        """Makes a session; nothing is sent yet."""
        import aiohttp

        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return ActSession(aiohttp.ClientSession(headers=headers), self.url.rstrip("/"), self.extra)


class ActSession(Session):
    """See `Act.open`."""

    def __init__(self, http: "aiohttp.ClientSession", url: str, extra: Mapping[str, Any]) -> None:
        self._http, self._url, self._extra = http, url, extra
        self.metadata: Mapping[str, Any] = {}

    async def begin(self, demonstrations: Sequence[Shown]) -> None:
        """See `Session`."""
        if demonstrations:
            raise ModelError("/act takes no demonstrations", fault="fatal")
        status, content = await self._post("/reset", {}, _RESET_S)
        if status >= 300 and status not in _NO_RESET:
            raise status_error(status, error_text(content), {})

    async def infer(self, observed: Observed, timeout_s: float) -> Answered:
        """See `Session`."""
        status, content = await self._post("/act", {**observed, **self._extra}, timeout_s)
        if status >= 300:
            raise status_error(status, error_text(content), {})
        try:
            found = read_json(content)
        except ValueError as error:
            raise rubbish(str(error), content) from error
        return Answered(content=found)

    async def close(self) -> None:
        """See `Session`."""
        await self._http.close()

    async def _post(
        self, path: str, message: Mapping[str, Any], timeout_s: float
    ) -> tuple[int, bytes]:
        import aiohttp

        try:
            async with self._http.post(
                self._url + path,
                data=write_json(message),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as response:
                content = bytearray()
                async for piece in response.content.iter_any():
                    content += piece
                    if len(content) > _LONGEST_ANSWER:
                        raise rubbish_error(f"the answer is longer than {_LONGEST_ANSWER} bytes")
                return response.status, bytes(content)
        except TimeoutError as error:
            raise late(timeout_s) from error
        except (aiohttp.ClientError, OSError) as error:
            raise connection_error(error) from error


def write_json(message: Any) -> bytes:
    """Returns a message, arrays in it, as JSON."""
    return json.dumps(message, default=_worded).encode()


def read_json(content: bytes) -> Any:
    """Returns what an answer holds: arrays, numbers, lists, maps.

    Raises:
        ValueError: It is no JSON, or an array in it is none.
    """
    try:
        found = json.loads(content, object_hook=_read)
        # json_numpy's own server answers with a text that holds the JSON.
        return json.loads(found, object_hook=_read) if isinstance(found, str) else found
    except (RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"no JSON ({error})") from error


def _worded(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"__numpy__": data, "dtype": value.dtype.str, "shape": list(value.shape)}
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def _read(found: dict[str, Any]) -> Any:
    if "__numpy__" not in found:
        return found
    try:
        dtype, shape = np.dtype(str(found.get("dtype"))), tuple(found.get("shape") or ())
        data = base64.b64decode(found["__numpy__"], validate=True)
    except (TypeError, ValueError, SyntaxError, binascii.Error) as error:
        raise ValueError(f"an array is none: {error}") from error
    sizes = all(type(n) is int and n >= 0 for n in shape)
    if dtype.kind not in "biuf" or not sizes or len(data) != dtype.itemsize * math.prod(shape):
        raise ValueError(f"an array of shape {shape} and dtype {dtype} has {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape)
