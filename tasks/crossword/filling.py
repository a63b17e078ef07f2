"""Puts words into a layout so that they agree where they cross."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.tasks.crossword.clues import clue_list
from icil.tasks.crossword.layouts import Slot

_PATIENCE = 60
"""How many words are tried before a layout is given up; most need hardly more than they hold."""

Choice = NDArray[np.bool_]
"""Which words of one length are still possible."""


class _Crossing(NamedTuple):
    here: int
    """The place in this word of the letter that both share."""
    other: int
    """The other slot."""
    there: int
    """The place of the letter in the other word."""


class _Words(NamedTuple):
    """The words of one length."""

    words: Sequence[str]
    having: Mapping[tuple[int, str], Choice]
    """Which have a letter at a place."""


def fill(layout: Sequence[Slot], rng: np.random.Generator) -> list[str] | None:
    """Returns different random words for the slots of a layout, or None if it gave up."""
    crossings = _crossings(layout)
    possible = [np.ones(len(_words(slot.length).words), np.bool_) for slot in layout]
    found: dict[int, str] = {}
    left = _PATIENCE

    def complete(possible: Sequence[Choice]) -> bool:
        nonlocal left
        if len(found) == len(layout):
            return True
        open_slots = [number for number in range(len(layout)) if number not in found]
        # Where the fewest words fit is where it would fail first.
        slot = min(open_slots, key=lambda number: int(possible[number].sum()))
        length = layout[slot].length
        for word in rng.permutation(np.flatnonzero(possible[slot])):
            if not left:
                return False
            left -= 1
            found[slot] = _words(length).words[word]
            rest = list(possible)
            for number in open_slots:
                if layout[number].length == length:
                    rest[number] = rest[number].copy()
                    rest[number][word] = False
            for here, other, there in crossings[slot]:
                having = _words(layout[other].length).having
                rest[other] = rest[other] & having[there, found[slot][here]]
            if all(rest[number].any() for number in open_slots if number != slot) and complete(
                rest
            ):
                return True
            del found[slot]
        return False

    return [found[number] for number in range(len(layout))] if complete(possible) else None


@cache
def _words(length: int) -> _Words:
    words = [word for word in clue_list() if len(word) == length]
    letters = np.array([list(word) for word in words])
    return _Words(
        words,
        {
            (place, letter): letters[:, place] == letter
            for place in range(length)
            for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        },
    )


def _crossings(layout: Sequence[Slot]) -> list[list[_Crossing]]:
    crossings: list[list[_Crossing]] = [[] for _ in layout]
    for (one, slot), (other, beside) in product(enumerate(layout), repeat=2):
        if one != other and (shared := slot.crossing(beside)):
            crossings[one].append(_Crossing(shared[0], other, shared[1]))
    return crossings
