"""The table of openings: 3,000 and more named lines of the Encyclopaedia of Chess Openings.

`openings.tsv` has a line for each: ECO code, name, moves in SAN. No two lines end in the same
position, whichever way it was reached, and none ends the game. It holds facts, taken from the
data set of lichess-org/chess-openings, which is in the public domain (CC0 1.0); how it was made,
and how to make it anew, is in `icil.tasks.chess.making`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from icil.tasks.errors import OpeningsError

TABLE = Path(__file__).with_name("openings.tsv")
COLUMNS = ("eco", "name", "moves")


@cache
def opening_table() -> tuple[Mapping[str, str], ...]:
    """Returns the openings, each with `eco`, `name` and `moves`.

    Raises:
        OpeningsError: The table is missing or damaged, as in a broken install.
    """
    try:
        head, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise OpeningsError(f"the table of chess openings cannot be read: {error}") from error
    rows = [line.split("\t") for line in lines]
    if tuple(head.split("\t")) != COLUMNS or not all(len(row) == len(COLUMNS) for row in rows):
        raise OpeningsError(f"the table of chess openings is damaged: {TABLE}; install icil anew")
    return tuple(dict(zip(COLUMNS, row, strict=True)) for row in rows)
