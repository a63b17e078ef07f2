"""The clue list that ships with icil: words in capitals, and a clue for each.

It is made by `make_clues` of definitions from WordNet 3.0, whose licence lies beside it.
"""

import gzip
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from icil.tasks.errors import OpeningsError

_FILE = Path(__file__).parent / "clues.tsv.gz"


@cache
def clue_list() -> Mapping[str, str]:
    """Returns the words that puzzles are made of, sorted, and their clues.

    Raises:
        OpeningsError: The list is missing or damaged, as in a broken install.
    """
    try:
        lines = gzip.decompress(_FILE.read_bytes()).decode().splitlines()
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise OpeningsError(
            f"the clue list of crossword cannot be read: {error}; install icil anew"
        ) from error
    rows = [line.split("\t") for line in lines]
    if not rows or not all(len(row) == 2 for row in rows):
        raise OpeningsError(f"the clue list of crossword is damaged: {_FILE}; install icil anew")
    return MappingProxyType(dict(rows))
