"""Plans of pushes: a beam search over pushes that are tried out in the simulation.

Each of the best plans so far is gone on with by many pushes at random, then by variations of the
best of these. A plan is as good as the time is short in which it may reach the target: its own
steps, and some for each halving of the distance that is left.
"""

import math
from dataclasses import dataclass

import numpy as np

from icil.tasks.pusht.pushes import Push, carry_out, draw, vary
from icil.tasks.pusht.shape import Point, coverage, distance
from icil.tasks.pusht.simulation import Simulator, State

SOLVED = 0.9501
"""The coverage above which a plan needs no more pushes; a hair more than is asked for."""

_NEAR = 8.0
"""Pixels off the target, on average, below which the coverage is looked at."""
_HALVING = 20.0
"""Steps that it is taken to need for each halving of the distance."""
_IDLE = 0.02
"""The least share of the distance that a push must change."""
_FINE = 1.0
"""Pixels off the target at which nothing is left to halve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is tried."""

    beam: int = 5
    """Plans that are gone on with."""
    pushes: int = 100
    """Drawn at random for each of them."""
    rounds: int = 2
    """Of variations."""
    elite: int = 8
    """Pushes that are varied."""
    variations: int = 40
    """Of all of them together, in each round."""
    depth: int = 14
    """The most pushes of a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps, and where they lead."""

    targets: tuple[Point, ...]
    state: State
    off: float
    """How far the block is off its target in the end, in pixels."""
    solved: bool

    @property
    def worth(self) -> float:
        """The steps to the target, its own and those guessed; the fewer the better."""
        left = 0.0 if self.solved else 2.0 + _HALVING * math.log2(1.0 + self.off / _FINE)
        return len(self.targets) + left


def make_plan(
    start: State, steps: int, table: Simulator, rng: np.random.Generator, effort: Effort
) -> Plan:
    """Returns a plan from a state on.

    Args:
        start: The state.
        steps: The most steps of the plan.
        table: Where it is tried out.
        rng: The source of what is tried.
        effort: How much is tried.
    """
    first = Plan(targets=(), state=start, off=distance(start.pose), solved=False)
    beam, best = [first], first
    for _ in range(effort.depth):
        found = [
            plan for parent in beam for plan in _expand(parent, start, steps, table, rng, effort)
        ]
        best = min((best, *found), key=_merit)
        unsolved = [
            plan
            for plan in found
            if not plan.solved
            and len(plan.targets) < steps
            and (not best.solved or plan.worth < len(best.targets))
        ]
        beam = _apart(sorted(unsolved, key=lambda plan: plan.worth), effort.beam)
        if not beam:
            break
    return best


def _merit(plan: Plan) -> tuple[bool, float]:
    """Returns what is to be small: the steps of a plan that reaches the target, or what is left."""
    return not plan.solved, len(plan.targets) if plan.solved else plan.off


def _apart(plans: list[Plan], count: int) -> list[Plan]:
    """Returns the best plans among those that lead to different states."""
    chosen: list[Plan] = []
    for plan in plans:
        if all(math.dist(plan.state.pose, other.state.pose) > 0.3 for other in chosen):
            chosen.append(plan)
        if len(chosen) == count:
            break
    return chosen


def _expand(
    parent: Plan,
    start: State,
    steps: int,
    table: Simulator,
    rng: np.random.Generator,
    effort: Effort,
) -> list[Plan]:
    """Returns a plan gone on with in the best ways found."""
    tried: list[tuple[Plan, Push]] = []

    def attempt(push: Push) -> None:
        if (plan := _try(push, parent, steps, table)) is not None:
            tried.append((plan, push))

    for _ in range(effort.pushes):
        attempt(draw(rng, parent.off))
    for number in range(effort.rounds):
        tried.sort(key=lambda pair: pair[0].worth)
        del tried[effort.elite :]
        for _ in range(effort.variations if tried else 0):
            chosen = tried[int(rng.integers(min(len(tried), effort.elite)))][1]
            attempt(vary(chosen, rng, 0.5**number))
    tried.sort(key=lambda pair: pair[0].worth)
    return [_exact(plan, start, table) for plan, _ in tried[: effort.elite]]


def _try(push: Push, parent: Plan, steps: int, table: Simulator) -> Plan | None:
    targets, state, solved = list(parent.targets), parent.state, False
    for target, state in carry_out(push, parent.state, table, steps - len(targets)):
        targets.append(target)
        off = distance(state.pose)
        if off < _NEAR and coverage(state.pose) > SOLVED:
            solved = True
            break
    off = distance(state.pose)
    if abs(off - parent.off) < _IDLE * parent.off and not solved:
        return None
    return Plan(targets=tuple(targets), state=state, off=off, solved=solved)


def _exact(plan: Plan, start: State, table: Simulator) -> Plan:
    """Returns a plan played from its start on; the try of its last push began without forces."""
    table.put(start)
    state, targets = start, list[Point]()
    for target in plan.targets:
        state = table.step(state, target)
        targets.append(target)
        if (off := distance(state.pose)) < _NEAR and coverage(state.pose) > SOLVED:
            return Plan(targets=tuple(targets), state=state, off=off, solved=True)
    return Plan(targets=plan.targets, state=state, off=distance(state.pose), solved=False)
