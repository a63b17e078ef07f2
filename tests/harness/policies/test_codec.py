"""The wire format, against bytes made by the real openpi-client."""

import base64
import contextlib
import importlib.util
import json
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icil.harness.policies import CodecError, pack, unpack

HERE = Path(__file__).parent
BYTES = {
    name: base64.b64decode(text)
    for name, text in json.loads((HERE / "openpi_client_bytes.json").read_text()).items()
}
_spec = importlib.util.spec_from_file_location("make_bytes", HERE / "make_bytes.py")
_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_maker)
MESSAGES = _maker.MESSAGES


def same(one, other):
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray | np.generic):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return type(one) is type(other) and one == other


def worn(message):
    """A message as it arrives: msgpack takes a NumPy double for the plain one that it also is."""
    if isinstance(message, dict):
        return {key: worn(value) for key, value in message.items()}
    return float(message) if isinstance(message, np.float64) else message


@pytest.mark.parametrize("name", MESSAGES)
def test_it_reads_and_writes_what_the_real_client_does(name):
    assert same(unpack(BYTES[name]), worn(MESSAGES[name]))
    assert pack(MESSAGES[name]) == BYTES[name]


def test_keys_may_be_texts():
    plain = {"__ndarray__": True, "data": b"\x01\x02", "dtype": "|u1", "shape": [2]}
    assert same(unpack(msgpack.packb({"x": plain}))["x"], np.array([1, 2], np.uint8))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"dtype": "|O"}, "dtype object"),
        ({"dtype": "<c16"}, "complex128"),
        ({"dtype": "|V8"}, "V8"),
        ({"dtype": "nonsense"}, "nonsense"),
        ({"dtype": 7}, "dtype is 7"),
        ({"dtype": "f4,,"}, "dtype is"),
        ({"shape": [3]}, "has 8 bytes"),
        ({"shape": [-1]}, "shape is"),
        ({"shape": [2**40, 2**40]}, "has 8 bytes"),
        ({"shape": "2"}, "shape is"),
        ({"data": "text"}, "has str bytes"),
    ],
)
def test_an_array_that_is_none_is_refused(fields, said):
    whole = {"__ndarray__": True, "data": bytes(8), "dtype": "<f4", "shape": [2], **fields}
    with pytest.raises(CodecError, match=said):
        unpack(msgpack.packb({"actions": whole}))


@pytest.mark.parametrize("value", [None, "x", b"x", [1]])
def test_a_scalar_that_is_none_is_refused(value):
    with pytest.raises(CodecError, match="scalar"):
        unpack(msgpack.packb({"__npgeneric__": True, "data": value, "dtype": "<f4"}))


def test_a_scalar_too_large_for_its_dtype_is_infinite():
    found = unpack(msgpack.packb({"__npgeneric__": True, "data": 1e30, "dtype": "<f2"}))
    assert np.isinf(found)


@pytest.mark.parametrize("message", [np.array([object()]), np.zeros(2, complex), {1, 2}, 2**80])
def test_what_cannot_be_sent_is_refused(message):
    with pytest.raises(CodecError, match="cannot be sent"):
        pack({"x": message})


@given(st.binary(max_size=200))
def test_rubbish_is_refused_or_read_and_nothing_else(data):
    with contextlib.suppress(CodecError):
        unpack(data)


@pytest.mark.parametrize("name", BYTES)
def test_what_is_cut_off_is_refused(name):
    with pytest.raises(CodecError):
        unpack(BYTES[name][:-1])


def test_deep_nesting_is_refused():
    with pytest.raises(CodecError):
        unpack(b"\x91" * 100_000 + b"\x01")
