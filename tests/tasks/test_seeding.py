"""Generators seeded by identity: the same for everybody, always."""

import json
import os
import subprocess
import sys

import pytest

from icil.tasks.seeding import digest, generator, seed

PROGRAM = """
import json
from icil.tasks.seeding import digest, generator, seed
identity = ("experiment", 7, "é")
print(json.dumps([
    digest(*identity).hex(), seed(*identity), generator(*identity).integers(2**40, size=9).tolist()
]))
"""


def test_values_are_those_of_everybody():
    assert digest("experiment", 7).hex() == "734f6f46cc55289534041bee07d48a32"
    assert digest("experiment", 7, size=4).hex() == "1b44f2ff"
    assert digest("é").hex() == "0e67ef9a80b88942b28a19b05ba1da01"
    assert seed("experiment", 7) == 0x1B44F2FF
    drawn = generator("experiment", 7).integers(1000, size=6).tolist()
    assert drawn == [816, 199, 925, 270, 118, 950]


def test_values_do_not_depend_on_the_hash_seed_of_a_process():
    said = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("0", "1", "4294967295")
    ]
    assert len(set(said)) == 1
    identity = ("experiment", 7, "é")
    drawn = generator(*identity).integers(2**40, size=9).tolist()
    assert json.loads(said[0]) == [digest(*identity).hex(), seed(*identity), drawn]


@pytest.mark.parametrize(
    "other", [("a", 12), ("a1", 2), ("a", "1", "2"), ("a", 1, "2"), ("a", 2, 1), ("a", 1), ()]
)
def test_identities_are_told_apart(other):
    assert digest("a", 1, 2) != digest(*other)
    assert generator("a", 1, 2).bytes(16) != generator(*other).bytes(16)


def test_each_call_starts_a_stream_anew():
    first, second = generator("a"), generator("a")
    first.random(100)
    assert second.bytes(16) == generator("a").bytes(16)


def test_seeds_fit_into_32_bits_and_fill_them():
    seeds = [seed("s", i) for i in range(2000)]
    assert all(0 <= s < 2**32 for s in seeds)
    assert max(seeds) > 2**32 * 0.99
    assert min(seeds) < 2**32 * 0.01
