"""Reads WordNet's database files; only `make_clues` does.

Their layout is described in WordNet's manual pages wndb(5WN) and cntlist(5WN).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from icil.tasks.errors import UsageError

_FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
"""Parts of speech and the files that hold them."""
_OF_KEY = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
"""What sense keys call the parts of speech."""
_INSTANCE = "@i"
_RELATED = {"+", "\\", "<"}
"""Pointers to what is derived from a word, or what a word is derived from."""


class _Pointer(NamedTuple):
    symbol: str
    place: tuple[str, str]
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class _Synset:
    words: tuple[str, ...]
    pointers: tuple[_Pointer, ...]
    gloss: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sense:
    """A word in one of its meanings."""

    word: str
    count: int
    """How often it was met in this meaning in the texts that WordNet's makers tagged."""
    gloss: str
    """The definition, with remarks and examples."""
    is_name: bool
    """Whether it is the name of one particular thing."""
    related: frozenset[str]
    """Words that are derived from it, or it from them."""


def read_senses(folder: Path) -> dict[str, list[Sense]]:
    """Returns the senses of each word that is written in small letters alone.

    The senses of one part of speech are in WordNet's order: the common ones first.

    Raises:
        UsageError: The folder does not hold WordNet.
    """
    try:
        synsets = {
            (part, line[:8]): _synset(line)
            for part, file in _FILES.items()
            for line in _lines(folder / f"data.{file}")
        }
        counts = dict(_counts(folder / "cntlist.rev"))
        found = defaultdict(list)
        for part, file in _FILES.items():
            for line in _lines(folder / f"index.{file}"):
                word, _, senses, *rest = line.split()
                for number, offset in enumerate(rest[-int(senses) :], start=1):
                    synset = synsets[part, offset]
                    if word in synset.words:
                        count = counts.get((word, part, number), 0)
                        found[word].append(_sense(word, count, synset, synsets))
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} does not hold WordNet's database: {error.filename} is missing; "
            "install it (Debian: apt install wordnet-base) and name its folder"
        ) from error
    return dict(found)


def read_irregular_forms(folder: Path) -> dict[str, frozenset[str]]:
    """Returns irregular inflections and the words that they may be of: `ran` is of `run`."""
    forms: dict[str, set[str]] = defaultdict(set)
    for file in _FILES.values():
        for line in _lines(folder / f"{file}.exc"):
            form, *words = line.split()
            forms[form].update(words)
    return {form: frozenset(words) for form, words in forms.items()}


def _lines(path: Path) -> Iterator[str]:
    """Yields the lines of a file, less the licence at its top, which is indented."""
    with path.open(encoding="latin-1") as file:
        yield from (line for line in file if not line.startswith("  "))


def _counts(path: Path) -> Iterator[tuple[tuple[str, str, int], int]]:
    for line in _lines(path):
        key, number, count = line.split()
        word, _, rest = key.partition("%")
        yield (word, _OF_KEY[rest[0]], int(number)), int(count)


def _synset(line: str) -> _Synset:
    data, _, gloss = line.partition(" | ")
    fields = data.split()
    count = int(fields[3], 16)
    # Adjectives may carry a mark of where they stand, such as (p).
    words = tuple(word.partition("(")[0] for word in fields[4 : 4 + 2 * count : 2])
    start = 5 + 2 * count
    stop = start + 4 * int(fields[start - 1])
    pointers = tuple(
        _Pointer(
            symbol=fields[at],
            place=("a" if fields[at + 2] == "s" else fields[at + 2], fields[at + 1]),
            source=int(fields[at + 3][:2], 16),
            target=int(fields[at + 3][2:], 16),
        )
        for at in range(start, stop, 4)
    )
    return _Synset(words, pointers, gloss.strip())


def _sense(
    word: str, count: int, synset: _Synset, synsets: Mapping[tuple[str, str], _Synset]
) -> Sense:
    number = synset.words.index(word) + 1
    return Sense(
        word=word,
        count=count,
        gloss=synset.gloss,
        is_name=any(pointer.symbol == _INSTANCE for pointer in synset.pointers),
        related=frozenset(
            synsets[pointer.place].words[pointer.target - 1].lower()
            for pointer in synset.pointers
            if pointer.symbol in _RELATED and pointer.source == number
        ),
    )
