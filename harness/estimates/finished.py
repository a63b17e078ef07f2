"""What a run folder holds already: episodes that need no estimate."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from icil.harness.estimates.amounts import NOTHING, Amounts, call_amounts
from icil.harness.models import Tokens
from icil.harness.models.tables.prices import Price
from icil.results import RunStore


@dataclass(slots=True, kw_only=True)
class Finished:
    """What was played of a cell."""

    openings: frozenset[int] = frozenset()
    """Those whose episodes are done or overlong."""
    steps: Counter[int] = field(default_factory=Counter)
    """How many episodes that are done had so many steps."""
    amounts: Amounts = NOTHING
    """Of the episodes that have ended."""
    spent: Amounts = NOTHING
    """Of all calls, those of episodes that go on included."""
    overlong: str | None = None
    """Why the cell was given up, if it was."""


_EPISODES = """
SELECT c.hash, e.opening, e.status, e.message, COUNT(s.step)
FROM cells c JOIN episodes e ON e.cell = c.id
LEFT JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt
WHERE e.status IN ('done', 'overlong')
GROUP BY e.id
"""
_CALLS = """
SELECT c.hash, e.status IN ('done', 'overlong'), s.input_tokens, s.cached_input_tokens,
       s.cache_write_tokens, s.output_tokens, s.images, s.cost_usd, s.latency_s
FROM cells c JOIN episodes e ON e.cell = c.id JOIN steps s ON s.episode = e.id
WHERE s.latency_s IS NOT NULL
"""


def find_finished(store: RunStore, prices: Mapping[str, Price | None]) -> dict[str, Finished]:
    """Returns what was played of each cell, by the cell's hash.

    Args:
        store: The run's store.
        prices: Those of the cells' models, by the cell's hash.
    """
    found: dict[str, Finished] = {}
    openings: dict[str, set[int]] = {}
    for cell, opening, status, message, steps in store.rows(_EPISODES)[1]:
        here = found.setdefault(cell, Finished())
        openings.setdefault(cell, set()).add(opening)
        if status == "done":
            here.steps[steps] += 1
        else:
            here.overlong = message
    for cell, ended, input_, cached, written, output, images, cost, seconds in store.rows(_CALLS)[
        1
    ]:
        here = found.setdefault(cell, Finished())
        tokens = Tokens(input=input_, cached=cached, cache_write=written)
        call = call_amounts(tokens, output, images, prices.get(cell), seconds, paid=cost)
        here.spent += call
        if ended:
            here.amounts += call
    for cell, numbers in openings.items():
        found[cell].openings = frozenset(numbers)
    return found
