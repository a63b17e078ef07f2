"""Makes `openpi_client_bytes.json` with the real openpi-client, in an environment of its own.

python -m venv env && env/bin/pip install openpi-client==0.1.2 typing_extensions
env/bin/python make_bytes.py > openpi_client_bytes.json
"""

import base64
import json
import sys

import numpy as np

MESSAGES = {
    "observation": {
        "observation/image": np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
        "observation/state": np.arange(8, dtype=np.float32) / 8,
        "prompt": "pick up the cup ☕",
        "flag": True,
        "n": 3,
        "none": None,
    },
    "scalars": {
        "a": np.float32(0.1),
        "b": np.int64(-5),
        "c": np.bool_(True),
        "d": np.float64(1e300),
    },
    "chunk": {
        "actions": np.linspace(-1, 1, 70).reshape(10, 7),
        "policy_timing": {"infer_ms": 12.5},
        "server_timing": {"infer_ms": np.float64(13.25)},
    },
    "odd": {
        "empty": np.zeros((0, 7), np.float32),
        "scalar_array": np.array(3.5),
        "big_endian": np.array([1, 2, 3], ">i4"),
        "bools": np.array([True, False]),
        "half": np.array([0.5, 1], np.float16),
        "list": [np.zeros(2), [1, "x"]],
    },
}

if __name__ == "__main__":
    from openpi_client import msgpack_numpy

    made = {name: msgpack_numpy.packb(message) for name, message in MESSAGES.items()}
    json.dump({n: base64.b64encode(m).decode() for n, m in made.items()}, sys.stdout, indent=0)
    sys.stdout.write("\n")
