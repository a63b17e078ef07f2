"""Which words are akin; only `make_clues` asks.

Three things tell it: how they are spelled, what WordNet says is derived from what, in any of their
senses, and a short list of pairs that neither of these tells. Two of WordNet's links lead from
`moving` over `move` to `motion`, but also from `eye` over `see` to `sight`: what is two links
away counts only if it has the same initial.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from icil.tasks.crossword.wordnet import Sense

_ALIKE = 3
"""So many letters at their beginning make two words akin, or make up a word that another holds."""
_ENDINGS = ("s", "es", "d", "ed", "ing", "er", "est", "ly")
_SMALL_WORDS = frozenset(
    {"all", "and", "any", "are", "but", "can", "for", "from", "has", "into", "its", "not", "one"}
    | {"or", "out", "over", "per", "some", "than", "that", "the", "this", "was", "who", "with"}
)
"""Words that tell nothing where another word happens to hold them."""
_PAIRS = (
    "affect effect, anywhere nowhere, asleep sleepy, bicycle cyclist, bind bond, "
    "bleed blood, breadth broad, clamber climb, clarify clear, cold cool, cross crucify, "
    "dawn day, deep depth, drip drop, elder old, feed food, fill full, gaiety gay, heat hot, "
    "length long, life live, memory remember, people popular, pride proud, reunite unify, "
    "traitor treason, twice two, twice twofold"
)
"""Words that are akin, as neither their spelling nor WordNet tells."""


class Kinship:
    """Tells of two words, in small letters, whether one gives the other away.

    Args:
        senses: The senses of each word.
        forms: Irregular inflections and the words that they may be of.
    """

    def __init__(
        self, senses: Mapping[str, Sequence[Sense]], forms: Mapping[str, frozenset[str]]
    ) -> None:
        self._known = senses.keys()
        self._forms = forms
        self._links: defaultdict[str, set[str]] = defaultdict(set)
        for word, meanings in senses.items():
            for other in frozenset[str]().union(*(sense.related for sense in meanings)):
                self._links[word].add(other)
                self._links[other].add(word)
        for word, other in map(str.split, _PAIRS.split(",")):
            self._links[word].add(other)
            self._links[other].add(word)

    def akin(self, word: str, other: str) -> bool:
        """Returns whether two words are the same, or obviously of one family."""
        if word == other:
            return True
        if other in _SMALL_WORDS:
            return False
        if word[:_ALIKE] == other[:_ALIKE]:
            return True
        ours, theirs = self._bases(word), self._bases(other)
        if ours & theirs or any(_holds(a, b) or _holds(b, a) for a in ours for b in theirs):
            return True
        linked = self._linked(ours)
        if linked & theirs:
            return True
        return word[0] == other[0] and not self._linked(linked).isdisjoint(theirs)

    def _bases(self, word: str) -> frozenset[str]:
        """Returns a word and those that it may be a form of."""
        return frozenset(
            {word} | self._forms.get(word, frozenset()) | (self._known & set(_stems(word)))
        )

    def _linked(self, words: frozenset[str]) -> frozenset[str]:
        return words.union(*(self._links.get(word, ()) for word in words))


def _stems(word: str) -> Iterator[str]:
    """Yields what is left without a regular ending, however it may have been spelled."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 2:
            yield from (stem, stem + "e")
            if stem[-1] == "i":
                yield stem[:-1] + "y"
            if stem[-1] == stem[-2]:
                yield stem[:-1]


def _holds(longer: str, shorter: str) -> bool:
    return len(shorter) >= _ALIKE and shorter in longer and shorter not in _SMALL_WORDS
