"""Makes the table of openings: `python -m icil.tasks.chess.making FILE... [--out TABLE]`.

A source is one of the tables `a.tsv` to `e.tsv` of lichess-org/chess-openings (columns eco, name
and pgn; public domain, CC0 1.0), or a JSON file of the collation eco.json, of which only the rows
that come from those tables (`"src": "eco_tsv"`) are taken. Lines with a move that is not legal or
that end the game are left out, and of several that end in the same position all but the first
by ECO code, length and name.
"""

import argparse
import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import chess

from icil.tasks.chess.table import COLUMNS, TABLE

_NUMBER = re.compile(r"\d+\.+\s*")


class Line(NamedTuple):
    """A named opening."""

    eco: str
    name: str
    pgn: str


def read_source(path: Path) -> Iterator[Line]:
    """Yields the openings of a source."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        for row in json.loads(text).values():
            if row["src"] == "eco_tsv":
                yield Line(row["eco"], row["name"], row["moves"])
    else:
        for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
            yield Line(row["eco"], row["name"], row["pgn"])


def make_table(lines: Iterable[Line]) -> str:
    """Returns the table of these openings."""
    rows = ["\t".join(COLUMNS)]
    ends: set[str] = set()
    for line in sorted(lines, key=lambda line: (line.eco, len(line.pgn), line.name, line.pgn)):
        played = _play(line.pgn)
        if played is None or played.end in ends:
            continue
        ends.add(played.end)
        rows.append(f"{line.eco}\t{line.name}\t{played.moves}")
    return "\n".join(rows) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Makes the table."""
    parser = argparse.ArgumentParser(prog="python -m icil.tasks.chess.making")
    parser.add_argument("sources", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, default=TABLE)
    given = parser.parse_args(arguments)
    table = make_table(line for source in given.sources for line in read_source(source))
    given.out.write_text(table, encoding="utf-8")


class _Played(NamedTuple):
    moves: str
    end: str


def _play(pgn: str) -> _Played | None:
    """Returns the moves as python-chess writes them, and the position; None for a bad line."""
    board, moves = chess.Board(), []
    try:
        for move in _NUMBER.sub("", pgn).split():
            moves.append(board.san(board.parse_san(move)))
            board.push_san(move)
    except ValueError:
        return None
    return _Played(" ".join(moves), board.epd()) if moves and not board.outcome() else None


if __name__ == "__main__":
    main()
