"""Layouts: where the words of a puzzle go, before any letter is known.

A layout grows word by word, each across one that is there, and never so that letters which
belong to no common word come to lie side by side. Cells are the bits of a number; a margin of
one cell all round saves looking for the edge.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from icil.tasks.crossword.puzzle import ACROSS, DOWN, SIZE, Cell

SHORTEST = 3
"""Letters of the shortest word."""

_TICKETS = {3: 1, 4: 4, 5: 3, 6: 2, 7: 2}
"""How often a slot of each length is in the draw: left alone, half of all words would have
three letters, and there are few such words."""

_ROW = SIZE + 2
"""Bits from one row to the next."""


class Slot(NamedTuple):
    """A place for a word."""

    direction: str
    start: Cell
    length: int
    cells: int
    """Bits of the cells of its letters."""
    ends: int
    """Bits of the cells before and after it."""
    aside: int
    """Bits from a cell to the one beside the word."""

    def crossing(self, other: "Slot") -> tuple[int, int] | None:
        """Returns which letters of the two are the same, if they cross."""
        shared = self.cells & other.cells
        if not shared:
            return None
        mine, theirs = self.cells & (shared - 1), other.cells & (shared - 1)
        return mine.bit_count(), theirs.bit_count()


def draw_layout(rng: np.random.Generator, words: int) -> list[Slot] | None:
    """Returns a random layout of so many words, or None if it came out with fewer."""
    tickets = _tickets()
    first, *order = dict.fromkeys(tickets[i] for i in rng.permutation(len(tickets)))
    chosen = [first]
    taken = {ACROSS: 0, DOWN: 0}
    taken[first.direction] = first.cells
    grew = True
    while grew and len(chosen) < words:
        grew, rest = False, []
        for slot in order:
            if len(chosen) < words and _fits(slot, taken):
                chosen.append(slot)
                taken[slot.direction] |= slot.cells
                grew = True
            else:
                rest.append(slot)
        order = rest
    return chosen if len(chosen) == words else None


def _fits(slot: Slot, taken: dict[str, int]) -> bool:
    along, across = taken[slot.direction], taken[DOWN if slot.direction == ACROSS else ACROSS]
    if slot.cells & along or not slot.cells & across:
        return False
    new = slot.cells & ~across
    beside = new << slot.aside | new >> slot.aside
    return not (slot.ends | beside) & (along | across)


@cache
def _tickets() -> tuple[Slot, ...]:
    return tuple(
        slot
        for direction in (ACROSS, DOWN)
        for row in range(SIZE)
        for column in range(SIZE)
        for length in range(SHORTEST, SIZE + 1 - (column if direction == ACROSS else row))
        for slot in [_slot(direction, row, column, length)] * _TICKETS[length]
    )


def _slot(direction: str, row: int, column: int, length: int) -> Slot:
    step, aside = (1, _ROW) if direction == ACROSS else (_ROW, 1)
    first = (row + 1) * _ROW + column + 1
    return Slot(
        direction=direction,
        start=(row, column),
        length=length,
        cells=sum(1 << first + i * step for i in range(length)),
        ends=1 << first - step | 1 << first + length * step,
        aside=aside,
    )
