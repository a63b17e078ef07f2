"""Open-loop plans: what a run of motor settings earns, from a state.

A plan is 25 knots for each of the six motors, with straight lines between them over the 100
steps, cut off at -1 and 1. Actions are rounded to three decimals, which costs nothing and makes
a demonstration a quarter as long.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.tasks.cheetah.env import HORIZON
from icil.tasks.cheetah.simulation import ACTIONS, FULL_SPEED, Vector, library, model, new_data

KNOTS = 25
"""Of a plan, for each motor."""
ACTION_DECIMALS = 3
"""Of the numbers in the expert's actions."""
PLANS = Path(__file__).with_name("plans.json")
"""The plans that ship; `python -m icil.tasks.cheetah.make_plans` makes them."""

Actions = NDArray[np.float64]
"""Plans played out, shape (plans, steps, 6)."""
Knots = NDArray[np.float64]
"""Plans, shape (plans, 25, 6)."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A state that plans start from."""

    state: Vector
    """The 9 positions and 9 velocities of the simulation."""
    warm: Vector
    """Where the solver of contacts starts; what is left of the step before."""

    @staticmethod
    def of(data: Any) -> "Start":
        """Returns the present state of a simulation."""
        return Start(np.concatenate((data.qpos, data.qvel)), data.qacc_warmstart.copy())


class Flights(NamedTuple):
    """What plans lead to."""

    rewards: NDArray[np.float64]
    """Of each step, shape (plans, steps)."""
    states: NDArray[np.float64]
    """Before each step, shape (plans, steps, 18)."""


class Simulator:
    """Plays out many plans at once, in the thread that asks; one thread at a time."""

    def __init__(self) -> None:
        self._mujoco = library()
        self._data = new_data()
        full = self._mujoco.mjtState.mjSTATE_FULLPHYSICS
        self._size = self._mujoco.mj_stateSize(model(), full)

    def play(self, start: Start, actions: Actions) -> Flights:
        """Returns what plans lead to from a state."""
        from mujoco import rollout

        count, steps, _ = actions.shape
        # The state is the time, which nothing depends on, then positions and velocities.
        initial = np.zeros((count, self._size))
        initial[:, 1:] = start.state
        # What is read with a step belongs to the state before it, so there is one step more.
        controls = np.concatenate((actions, np.zeros((count, 1, ACTIONS))), axis=1)
        states, sensed = rollout.rollout(
            model(),
            self._data,
            initial,
            controls,
            initial_warmstart=np.tile(start.warm, (count, 1)),
        )
        before = np.concatenate((initial[:, None, 1:], states[:, : steps - 1, 1:]), axis=1)
        return Flights(np.clip(sensed[:, 1:, 0] / FULL_SPEED, 0.0, 1.0), before)

    def returns(self, start: Start, actions: Actions) -> NDArray[np.float64]:
        """Returns what plans earn from a state, shape (plans,)."""
        earned: NDArray[np.float64] = self.play(start, actions).rewards.sum(axis=1)
        return earned


def played(knots: Knots, steps: int = HORIZON) -> Actions:
    """Returns plans as actions."""
    actions = np.einsum("tk,pkm->ptm", _lines(knots.shape[1], steps), knots)
    return rounded(np.clip(actions, -1.0, 1.0))


def rounded(actions: Actions) -> Actions:
    """Returns actions as the expert says them."""
    # Adding 0 makes negative zeros positive.
    said: Actions = np.round(actions, ACTION_DECIMALS) + 0.0
    return said


@cache
def shipped() -> Knots:
    """Returns the plans that ship."""
    knots = np.array(json.loads(PLANS.read_text(encoding="utf-8"))["plans"], dtype=np.float64)
    knots.setflags(write=False)
    return knots


@cache
def _lines(knots: int, steps: int) -> NDArray[np.float64]:
    """Returns the share of each knot in each step, shape (steps, knots)."""
    at, places = np.arange(steps), np.linspace(0, steps - 1, knots)
    return np.stack([np.interp(at, places, knot) for knot in np.eye(knots)], axis=1)
