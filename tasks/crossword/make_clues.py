"""Makes the clue list that ships with icil from WordNet's definitions.

    python -m icil.tasks.crossword.make_clues /usr/share/wordnet clues.tsv.gz

A word is common if WordNet's makers met it three times or more in the texts that they tagged, so
that no other frequency list, with a licence of its own, is needed. Its clue is the definition of
its most common sense that has one which is short, does not give the word away, and is fit for a
puzzle; rare senses do not count. No two words of the same length have the same clue.
"""

import argparse
import gzip
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from icil.tasks.crossword.kinship import Kinship
from icil.tasks.crossword.wordnet import Sense, read_irregular_forms, read_senses

SHORTEST, LONGEST = 3, 7
"""Letters of a word."""
LONGEST_CLUE = 60
"""Characters."""
LEAST_MET = 3
"""How often a word must have been met, in all its senses together."""
LEAST_SHARE = 0.1
"""How much of that the sense must make up which its clue is about."""

_WORD = re.compile(rf"[a-z]{{{SHORTEST},{LONGEST}}}")
_VOWEL = re.compile("[aeiouy]")
_CLUE = re.compile(rf"[A-Za-z][A-Za-z ,'-]{{4,{LONGEST_CLUE - 2}}}[a-z]")
_LETTERS = re.compile(r"[a-z]+")
_ASIDE = re.compile(r"\s*\([^()]*\)")
_END = re.compile(r"[;:\"]|, as ")
_DANGLING = re.compile(
    r"\b(and|as|by|for|from|in|of|on|or|such|that|the|to|with)$|^(and|or|but)\b| ,"
)
"""What is left of a definition when something it needs was cut away."""
_RUDE_WORD = re.compile(
    r"\b(obscen|offensive|slur|vulgar|derogat|disparag|insulting|taboo|slang for sex)"
)
"""A word with such a remark on any of its senses is left out altogether."""
_RUDE_CLUE = re.compile(
    r"\b(sex|genital|prostitut|intercourse|copulat|erotic|penis|vagin|breast|nipple|semen|orgasm"
    r"|excre|feces|fecal|urin|anus|buttock|homosexual|suicid|rape|slang|racial|Negro|Nazi)"
)
"""A definition with such a word is not made a clue."""


def clues(
    senses: Mapping[str, Sequence[Sense]], forms: Mapping[str, frozenset[str]]
) -> dict[str, str]:
    """Returns the words that are fit for a puzzle, in capitals, with their clues, sorted.

    Args:
        senses: The senses of each word.
        forms: Irregular inflections and the words that they may be of.
    """
    kinship = Kinship(senses, forms)
    chosen: dict[str, str] = {}
    taken = set[tuple[str, int]]()
    # The commonest words come first, so that they keep a clue that others could have.
    for word, meanings in sorted(senses.items(), key=lambda item: (-_met(item[1]), item[0])):
        if not (_WORD.fullmatch(word) and _VOWEL.search(word) and _fit(meanings)):
            continue
        clue = next((c for c in _offers(meanings, kinship) if (c, len(word)) not in taken), None)
        if clue is not None:
            taken.add((clue, len(word)))
            chosen[word.upper()] = clue
    return dict(sorted(chosen.items()))


def _met(meanings: Sequence[Sense]) -> int:
    return sum(sense.count for sense in meanings)


def _fit(meanings: Sequence[Sense]) -> bool:
    return _met(meanings) >= LEAST_MET and not any(_RUDE_WORD.search(s.gloss) for s in meanings)


def _offers(meanings: Sequence[Sense], kinship: Kinship) -> Iterator[str]:
    least = LEAST_SHARE * _met(meanings)
    for sense in sorted(meanings, key=lambda sense: -sense.count):
        clue = _definition(sense.gloss)
        if (
            sense.count >= least
            and not sense.is_name
            and _CLUE.fullmatch(clue)
            and " " in clue
            and not _DANGLING.search(clue)
            and not _RUDE_CLUE.search(clue)
            and not gives_away(clue, sense.word, kinship)
        ):
            yield clue


def _definition(gloss: str) -> str:
    """Returns the first definition of a gloss, without asides, remarks and examples."""
    return " ".join(_END.split(_ASIDE.sub("", gloss), maxsplit=1)[0].split()).rstrip(",. ")


def gives_away(clue: str, word: str, kinship: Kinship) -> bool:
    """Returns whether a clue holds a word, a form of it, or something obviously of its kin."""
    return any(kinship.akin(word, token) for token in _LETTERS.findall(clue.lower()))


def main(arguments: Iterable[str] | None = None) -> None:
    """Writes the clue list."""
    parser = argparse.ArgumentParser(description="Make the clue list from WordNet's definitions.")
    parser.add_argument("wordnet", type=Path, help="the folder of WordNet's database")
    parser.add_argument("out", type=Path, help="the file to write, .tsv.gz")
    given = parser.parse_args(None if arguments is None else list(arguments))
    made = clues(read_senses(given.wordnet), read_irregular_forms(given.wordnet))
    lines = "".join(f"{word}\t{clue}\n" for word, clue in made.items())
    given.out.write_bytes(gzip.compress(lines.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
