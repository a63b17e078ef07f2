"""The clue list that ships with icil: words in capitals, and a clue for each.

It is made by `make_clues` of definitions from WordNet 3.0, whose licence lies beside it.
"""

import gzip
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_FILE = Path(__file__).parent / "clues.tsv.gz"


@cache
def clue_list() -> Mapping[str, str]:
    """Returns the words that puzzles are made of, sorted, and their clues."""
    lines = gzip.decompress(_FILE.read_bytes()).decode().splitlines()
    return MappingProxyType(dict(line.split("\t") for line in lines))
