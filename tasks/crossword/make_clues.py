"""Makes the clue list that ships with icil from WordNet's definitions.

    python -m icil.tasks.crossword.make_clues /usr/share/wordnet clues.tsv.gz

A word is common if WordNet's makers met it in the texts that they tagged, so that no other
frequency list, with a licence of its own, is needed. Its clue is the definition of its most
common sense that has one which is short, does not give the word away, and is fit for a puzzle.
No two words of the same length have the same clue.
"""

import argparse
import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from icil.tasks.crossword.wordnet import Sense, read_irregular_forms, read_senses

SHORTEST, LONGEST = 3, 7
"""Letters of a word."""
LONGEST_CLUE = 60
"""Characters."""

_WORD = re.compile(rf"[a-z]{{{SHORTEST},{LONGEST}}}")
_CLUE = re.compile(rf"[A-Za-z][A-Za-z ,'-]{{4,{LONGEST_CLUE - 2}}}[a-z]")
_LETTERS = re.compile(r"[a-z]+")
_ASIDE = re.compile(r"\s*\([^()]*\)")
_END = re.compile(r"[;:\"]|, as ")
_DANGLING = re.compile(
    r"\b(and|as|by|for|from|in|of|on|or|such|that|the|to|with)$|^(and|or|but)\b| ,"
)
"""What is left of a definition when something it needs was cut away."""
_RUDE_WORD = re.compile(r"\b(obscen|offensive|slur|vulgar|derogat|disparag|insulting|taboo)")
"""A word with such a remark on any of its senses is left out altogether."""
_RUDE_CLUE = re.compile(
    r"\b(sex|genital|prostitut|intercourse|copulat|erotic|penis|vagin|breast|nipple|semen|orgasm"
    r"|excre|feces|fecal|urin|anus|buttock|homosexual|suicid|rape|slang|racial|Negro|Nazi)"
)
"""A definition with such a word is not made a clue."""


def clues(
    senses: Mapping[str, Iterable[Sense]], forms: Mapping[str, frozenset[str]]
) -> dict[str, str]:
    """Returns the words that are fit for a puzzle, in capitals, with their clues, sorted.

    Args:
        senses: The senses of each word.
        forms: Irregular inflections and the words that they may be of.
    """
    chosen: dict[tuple[str, int], tuple[int, str]] = {}
    for word, meanings in sorted(senses.items()):
        if _WORD.fullmatch(word) and not any(_RUDE_WORD.search(s.gloss) for s in meanings):
            for count, clue in _offers(meanings, forms):
                holder = chosen.get((clue, len(word)))
                if holder is None or holder[0] < count:
                    chosen[clue, len(word)] = count, word
                    break
    return dict(sorted((word.upper(), clue) for (clue, _), (_, word) in chosen.items()))


def _offers(
    meanings: Iterable[Sense], forms: Mapping[str, frozenset[str]]
) -> Iterator[tuple[int, str]]:
    for sense in sorted(meanings, key=lambda sense: -sense.count):
        clue = _definition(sense.gloss)
        if (
            sense.count
            and not sense.is_name
            and _CLUE.fullmatch(clue)
            and " " in clue
            and not _DANGLING.search(clue)
            and not _RUDE_CLUE.search(clue)
            and not gives_away(clue, sense.word, sense.related, forms)
        ):
            yield sense.count, clue


def _definition(gloss: str) -> str:
    """Returns the first definition of a gloss, without asides, remarks and examples."""
    return " ".join(_END.split(_ASIDE.sub("", gloss), maxsplit=1)[0].split()).rstrip(",. ")


def gives_away(
    clue: str, word: str, related: frozenset[str], forms: Mapping[str, frozenset[str]]
) -> bool:
    """Returns whether a clue holds a word, a form of it, or something obviously of its kin."""
    return any(
        token in related
        or word in forms.get(token, ())
        or any(_akin(word, base) for base in (token, *forms.get(token, ())))
        for token in _LETTERS.findall(clue.lower())
    )


def _akin(word: str, token: str) -> bool:
    shorter, longer = sorted((word, token), key=len)
    if len(shorter) >= 3 and longer.startswith(shorter):
        return True
    if len(shorter) >= 4 and shorter in longer:
        return True
    shared = next((n for n, (a, b) in enumerate(zip(word, token)) if a != b), len(shorter))
    return shared >= max(4, len(word) - 2)


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
