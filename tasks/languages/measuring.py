"""What action languages cost, and what they lose, on the demonstrations of a pool.

Each chunk of the pool is said in each language: how long that is, and how far what comes back lies
from what was said, as a share of the range. FAST is fitted to the very chunks that it is measured
on, as a run fits it to the pool that ships.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from icil.tasks.errors import PoolError
from icil.tasks.languages.chunks import cut
from icil.tasks.languages.fast import Fast
from icil.tasks.languages.language import ActionLanguage, Chunk
from icil.tasks.languages.names import make_language

MEASURED = ("decimals:3", "decimals:2", "integers:0-100", "dct", "fast")
"""The languages that are measured, unless others are named."""
CHUNKS = (1, 10, 50)
"""Steps of a chunk, unless others are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A language on the chunks of a pool; means over them."""

    language: str
    steps: int
    """Of a chunk."""
    chunks: int
    """How many were measured."""
    characters: float
    """Of a chunk's text."""
    tokens: float
    """Of a chunk's text, as a model reads it."""
    own_tokens: float | None
    """FAST's tokens of a chunk; None for the other languages."""
    error: float
    """How far a chunk comes back from itself, as a share of the range."""
    worst: float
    """The error of the chunk that comes back worst."""


def measure(
    actions: Sequence[Chunk],
    steps: int,
    count: Callable[[str], int],
    *,
    names: Sequence[str] = MEASURED,
    most: int | None = None,
) -> Iterator[Measured]:
    """Yields what each language comes to for chunks of one length.

    Args:
        actions: What each demonstration did, in units, shape (steps, dimension) each.
        steps: Of a chunk; the last one of a demonstration is filled as in a run.
        count: Counts the tokens of a text.
        names: The languages.
        most: Chunks that are measured, evenly spaced; None for all. A language that is fitted is
            fitted to all.

    Raises:
        PoolError: There are no demonstrations, or a language cannot be fitted to them.
        UsageError: There is no such language.
    """
    if not actions:
        raise PoolError("languages are measured on demonstrations, and there are none")
    every = list(chain.from_iterable(map(partial(cut, length=steps), actions)))
    places = np.linspace(0, len(every) - 1, min(most or len(every), len(every))).astype(int)
    chosen = [every[place] for place in places]
    for name in names:
        language = make_language(name, steps, every[0].shape[1], lambda: every)
        yield _measured(language, chosen, count)


def _measured(
    language: ActionLanguage, chunks: Sequence[Chunk], count: Callable[[str], int]
) -> Measured:
    said = [language.encode(chunk) for chunk in chunks]
    back = map(language.decode, said)
    errors = [
        float(np.abs(found - chunk).mean() / 2) for found, chunk in zip(back, chunks, strict=True)
    ]
    own = [len(text.split()) for text in said] if isinstance(language, Fast) else None
    return Measured(
        language=language.name,
        steps=language.steps,
        chunks=len(chunks),
        characters=float(np.mean([len(text) for text in said])),
        tokens=float(np.mean([count(text) for text in said])),
        own_tokens=None if own is None else float(np.mean(own)),
        error=float(np.mean(errors)),
        worst=max(errors),
    )
