"""openpi's wire format: msgpack, with arrays as maps.

    array    {b"__ndarray__": True, b"data": bytes, b"dtype": "<f4", b"shape": [2, 3]}
    scalar   {b"__npgeneric__": True, b"data": value, b"dtype": "<f4"}

The keys are bytes; some servers write them as texts, which is read too. This is not what PyPI's
`msgpack-numpy` writes. What comes in is not trusted: an array is numbers, and as large as its
shape says.
"""

import math
from typing import Any

import numpy as np

from icil.tasks.errors import UsageError

_NUMBERS = "biuf"
"""The kinds of dtypes that are sent and read: booleans, whole numbers and floats."""
_ARRAY, _SCALAR, _DATA, _DTYPE, _SHAPE = (
    b"__ndarray__",
    b"__npgeneric__",
    b"data",
    b"dtype",
    b"shape",
)


class CodecError(ValueError):
    """Bytes are no message of this format; the message says why."""


def pack(message: Any) -> bytes:
    """Returns a message as bytes.

    Args:
        message: Maps, lists, texts, bytes, numbers, None, and arrays of numbers.

    Raises:
        CodecError: It holds something else.
    """
    msgpack = _msgpack()
    try:
        found: bytes = msgpack.packb(message, default=_worded, use_bin_type=True)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise CodecError(f"this cannot be sent: {error}") from error
    return found


def unpack(data: bytes) -> Any:
    """Returns the message that bytes are; its arrays are read-only views of them.

    Raises:
        CodecError: They are none.
    """
    msgpack = _msgpack()
    try:
        return msgpack.unpackb(data, object_hook=_read, raw=False)
    except CodecError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise CodecError(f"no msgpack: {error or type(error).__name__}") from error


def _worded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        _check_kind(value.dtype)
        return {
            _ARRAY: True,
            _DATA: value.tobytes(),
            _DTYPE: value.dtype.str,
            _SHAPE: list(value.shape),
        }
    if isinstance(value, np.generic):
        _check_kind(value.dtype)
        return {_SCALAR: True, _DATA: value.item(), _DTYPE: value.dtype.str}
    raise TypeError(
        f"a {type(value).__name__} is neither a number, a text, nor an array of numbers"
    )


def _read(found: dict[Any, Any]) -> Any:
    for marker, made in ((_ARRAY, _array), (_SCALAR, _scalar)):
        if marker in found or marker.decode() in found:
            fields = {k.encode() if isinstance(k, str) else k: v for k, v in found.items()}
            return made(fields)
    return found


def _array(fields: dict[bytes, Any]) -> Any:
    dtype, shape, data = _dtype(fields), fields.get(_SHAPE), fields.get(_DATA)
    if not isinstance(shape, list | tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise CodecError(f"an array's shape is {shape!r:.60}")
    if not isinstance(data, bytes) or len(data) != dtype.itemsize * math.prod(shape):
        size = len(data) if isinstance(data, bytes) else type(data).__name__
        raise CodecError(f"an array of shape {tuple(shape)} and dtype {dtype} has {size} bytes")
    return np.frombuffer(data, dtype).reshape(shape)


def _scalar(fields: dict[bytes, Any]) -> Any:
    dtype, value = _dtype(fields), fields.get(_DATA)
    if type(value) not in (bool, int, float):
        raise CodecError(f"a scalar is {value!r:.60}")
    try:
        with np.errstate(over="ignore"):
            return dtype.type(value)
    except (OverflowError, ValueError) as error:
        raise CodecError(f"a scalar of dtype {dtype} is {value!r:.60}") from error


def _dtype(fields: dict[bytes, Any]) -> np.dtype[Any]:
    name = fields.get(_DTYPE)
    try:
        dtype = np.dtype(name.decode() if isinstance(name, bytes) else str(name))
    except (TypeError, ValueError, SyntaxError) as error:
        raise CodecError(f"an array's dtype is {name!r:.60}") from error
    _check_kind(dtype)
    return dtype


def _check_kind(dtype: np.dtype[Any]) -> None:
    if dtype.kind not in _NUMBERS:
        raise CodecError(f"arrays of dtype {dtype} are not sent; numbers and booleans are")


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError as error:
        raise UsageError("policies need msgpack: pip install 'icil[vla]'") from error
    return msgpack
