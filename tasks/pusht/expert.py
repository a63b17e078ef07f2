"""The expert of Push-T: a plan of pushes for the whole episode, tried out in the simulation."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from icil.tasks.expert import Expert
from icil.tasks.gym.box import BoxActions
from icil.tasks.pusht.env import PushTEnv
from icil.tasks.pusht.planning import SOLVED, Effort, Plan, make_plan
from icil.tasks.pusht.pushes import TARGET_DECIMALS
from icil.tasks.pusht.shape import CENTRE, SIDE, Point, coverage
from icil.tasks.pusht.simulation import Simulator, State
from icil.tasks.seeding import generator

_NEAR = 1e-6
"""How far a number of a state may be from where the plan has it."""
_ATTEMPTS = 4
"""At a plan for the whole episode that reaches the target."""
_AGAIN = Effort(beam=2, pushes=60, variations=30, depth=8)
"""What is tried off the plan."""
_BACK = 40.0
"""Pixels that the pusher goes back when all is done."""


class PushPlanner(Expert[PushTEnv]):
    """Plays a plan for the whole episode; off the plan, it plans anew.

    Args:
        effort: How much is tried for a plan of the whole episode.
    """

    name: str = "planner"
    slow: bool = True
    plans: bool = True

    def __init__(self, effort: Effort | None = None) -> None:
        self._effort = effort or Effort()
        self._table = Simulator()
        self._from = 0
        """The step that the plan begins at."""
        self._targets: tuple[Point, ...] = ()
        self._states: list[State] = []

    @property
    def settings(self) -> Mapping[str, Any]:
        """How much it tries, and what its plans depend on."""
        return {
            **asdict(self._effort),
            "attempts": _ATTEMPTS,
            "decimals": TARGET_DECIMALS,
            "gym-pusht": version("gym-pusht"),
            "pymunk": version("pymunk"),
        }

    def begin(self, env: PushTEnv) -> None:
        """Plans the episode."""
        self._plan(env, self._effort, _ATTEMPTS)

    def act(self, env: PushTEnv, rng: np.random.Generator) -> str:
        """Returns what the plan has for this state; plans anew where it has nothing."""
        if coverage(env.state.pose) > SOLVED:
            return _worded(_away(env.state))
        if not self._on_plan(env):
            self._plan(env, _AGAIN, 1)
        return _worded(self._targets[env.steps - self._from])

    def _on_plan(self, env: PushTEnv) -> bool:
        place = env.steps - self._from
        return 0 <= place < len(self._targets) and _alike(env.state, self._states[place])

    def _plan(self, env: PushTEnv, effort: Effort, attempts: int) -> None:
        start, left = env.state, env.horizon - env.steps
        plans: list[Plan] = []
        while not plans or not (plans[-1].solved or len(plans) == attempts):
            rng = generator("pusht", "planner", len(plans))
            plans.append(make_plan(start, left, self._table, rng, effort))
        found = min(plans, key=lambda plan: (not plan.solved, plan.off))
        # Where nothing brings the block nearer, the pusher stays.
        self._targets = found.targets or (_said(start.pusher),) * left
        self._from, self._states = env.steps, [start]
        self._table.put(start)
        for target in self._targets[:-1]:
            self._states.append(self._table.step(self._states[-1], target))


def _alike(one: State, other: State) -> bool:
    return bool(np.allclose(_flat(one), _flat(other), rtol=0.0, atol=_NEAR))


def _flat(state: State) -> tuple[float, ...]:
    return (*state[:4], *state.pose)


def _away(state: State) -> Point:
    """Returns a place farther from the block, for a pusher that is done."""
    centre = state.pose.point(*CENTRE)
    off = max(math.dist(state.pusher, centre), 1.0)
    (x, y), (to_x, to_y) = centre, state.pusher
    return _said((to_x + _BACK * (to_x - x) / off, to_y + _BACK * (to_y - y) / off))


def _said(target: Point) -> Point:
    """Returns a target as it is said: rounded, and on the table."""
    x, y = (round(min(max(number, 0.0), SIDE), TARGET_DECIMALS) for number in target)
    return x, y


def _worded(target: Point) -> str:
    return BoxActions.word(target)
