"""Action languages by name: `decimals:2`, `integers:0-100`, `dct`, `fast`."""

import re
from collections.abc import Callable, Iterable

from icil.tasks.errors import UsageError
from icil.tasks.languages.dct import DctRows
from icil.tasks.languages.fast import Fast, fit
from icil.tasks.languages.language import ActionLanguage, Chunk
from icil.tasks.languages.numbers import Decimals, Integers

LANGUAGES = ("decimals:N", "integers:LOW-HIGH", "dct", "fast")
"""How they are named."""

_DECIMALS = re.compile(r"decimals:(\d{1,2})")
_INTEGERS = re.compile(r"integers:(-?\d{1,6})-(-?\d{1,6})")
_MOST_DECIMALS = 17


def make_language(
    name: str, steps: int, dimension: int, chunks: Callable[[], Iterable[Chunk]]
) -> ActionLanguage:
    """Makes a language for chunks of one shape.

    Args:
        name: Its name.
        steps: How many actions a chunk has.
        dimension: How many numbers an action has.
        chunks: Returns chunks to fit it to; called only for one that is fitted.

    Raises:
        UsageError: There is no such language, or it cannot be fitted.
    """
    if found := _DECIMALS.fullmatch(name):
        if int(found[1]) <= _MOST_DECIMALS:
            return Decimals(steps, dimension, int(found[1]))
    elif found := _INTEGERS.fullmatch(name):
        low, high = int(found[1]), int(found[2])
        if low < high:
            return Integers(steps, dimension, low, high)
    elif name == "dct":
        return DctRows(steps, dimension)
    elif name == "fast":
        return Fast(steps, dimension, fit(chunks()))
    raise UsageError(
        f"unknown action language {name!r}; expected {', '.join(LANGUAGES)}, such as decimals:2 or "
        "integers:0-100"
    )
