"""Makes `plans.json`, the plans that the expert starts from; takes about five minutes.

`python -m icil.tasks.cheetah.make_plans [FILE]` searches from nothing, again and again, for a
plan that earns much from one start, then makes the best ones good from many starts at once.
The starts are no openings.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from icil.tasks.cheetah.env import draw
from icil.tasks.cheetah.evolution import maximise
from icil.tasks.cheetah.planning import KNOTS, PLANS, Simulator, Start, played
from icil.tasks.cheetah.simulation import ACTIONS, new_data, put
from icil.tasks.seeding import generator

SEED = 1
"""Of all that is random here."""
SEARCHES, KEPT = 6, 3
"""Searches from nothing, and how many of their plans ship."""
STARTS = 8
"""Starts that a plan that ships is good from."""

_DECIMALS = 3
_BEYOND = 0.02
"""What a knot costs for each square unit that it is outside [-1, 1], so that it comes back."""


def main(arguments: Sequence[str]) -> None:
    """Writes the plans."""
    path = Path(arguments[0]) if arguments else PLANS
    plans = sorted(map(_search, range(SEARCHES)), key=_worth, reverse=True)[:KEPT]
    best = sorted((_polish(plan, number) for number, plan in enumerate(plans)), key=_worth)[::-1]
    lines = ",\n".join(
        "[" + ",\n ".join(json.dumps(knot) for knot in plan.tolist()) + "]" for plan in best
    )
    path.write_text(f'{{"seed": {SEED}, "plans": [\n{lines}\n]}}\n', encoding="utf-8")


def _starts(count: int) -> list[Start]:
    found = []
    for number in range(count):
        data, start = new_data(), draw(generator("cheetah", "plans", SEED, "start", number))
        put(data, np.array(start["position"]), np.array(start["velocity"]))
        found.append(Start.of(data))
    return found


def _search(number: int) -> NDArray[np.float64]:
    """Returns a plan found from nothing."""
    rng = generator("cheetah", "plans", SEED, "search", number)
    first = rng.uniform(-0.2, 0.2, KNOTS * ACTIONS)
    return _best(first, 1, rng, step=0.5, population=64, generations=500)


def _polish(plan: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Returns a plan that is good from many starts."""
    rng = generator("cheetah", "plans", SEED, "polish", number)
    return _best(plan.ravel(), STARTS, rng, step=0.05, population=32, generations=300)


def _best(
    first: NDArray[np.float64],
    starts: int,
    rng: np.random.Generator,
    *,
    step: float,
    population: int,
    generations: int,
) -> NDArray[np.float64]:
    simulator, places = Simulator(), _starts(starts)

    def score(points: NDArray[np.float64]) -> NDArray[np.float64]:
        actions = played(points.reshape(-1, KNOTS, ACTIONS))
        beyond = np.maximum(np.abs(points) - 1.0, 0.0)
        earned = np.mean([simulator.returns(place, actions) for place in places], axis=0)
        return np.asarray(earned - _BEYOND * (beyond**2).sum(axis=1))

    found = maximise(
        score, first, step=step, population=population, generations=generations, rng=rng
    )
    return np.round(found.reshape(KNOTS, ACTIONS), _DECIMALS)


def _worth(plan: NDArray[np.float64]) -> float:
    simulator, actions = Simulator(), played(plan[None])
    return float(np.mean([simulator.returns(place, actions) for place in _starts(STARTS)]))


if __name__ == "__main__":
    main(sys.argv[1:])
