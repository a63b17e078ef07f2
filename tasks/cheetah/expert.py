"""The expert of the cheetah: a plan for the whole episode, made for its opening.

A few plans ship that are good from most starts. The best of them from this start is bettered by
an evolution strategy that tries it out in the simulation, over the whole episode at once: a
short look ahead would crouch and leap for speed now, and pay with a stumble later.
"""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from icil.tasks.cheetah.env import HORIZON, CheetahEnv
from icil.tasks.cheetah.evolution import maximise
from icil.tasks.cheetah.language import word_action
from icil.tasks.cheetah.planning import (
    ACTION_DECIMALS,
    KNOTS,
    PLANS,
    Actions,
    Simulator,
    Start,
    played,
    rounded,
    shipped,
)
from icil.tasks.cheetah.simulation import ACTIONS, Vector
from icil.tasks.expert import Expert
from icil.tasks.seeding import generator

POPULATION = 24
"""Plans that the evolution strategy tries at a time."""
GENERATIONS = 100
"""Times that it does."""

_STEP = 0.03
"""Standard deviation of a knot in its first generation."""
_NEAR = 1e-6
"""How far a number of a state may be from where the plan has it."""
_AHEAD, _EVERY = 50, 4
"""Steps that a plan from the middle of an episode looks ahead, and between those at which the
pieces of the plans that ship begin that it chooses from."""
_VARIANTS, _VARIANT_KNOTS, _VARIANT_STEP = 64, 9, 0.2
"""Changes to the best piece that it tries, their knots and these knots' standard deviation."""


class Planner(Expert[CheetahEnv]):
    """Plays a plan for the whole episode; off the plan, the best of some pieces of plans.

    Args:
        generations: How many the evolution strategy has; its time is proportional to them.
    """

    name: str = "planner"
    slow: bool = True
    plans: bool = True

    def __init__(self, *, generations: int = GENERATIONS) -> None:
        self.generations = generations
        self._simulator = Simulator()
        self._from = 0
        """The step that the plan begins at."""
        self._actions: Vector = np.empty((0, ACTIONS))
        self._states: Vector = np.empty((0, 0))

    @property
    def settings(self) -> Mapping[str, Any]:
        """Returns how much it tries, and what its plans depend on."""
        return {
            "rollouts": POPULATION * self.generations,
            "action_decimals": ACTION_DECIMALS,
            "plans_sha256": hashlib.sha256(PLANS.read_bytes()).hexdigest()[:16],
            "mujoco": version("mujoco"),
            "dm_control": version("dm_control"),
        }

    def begin(self, env: CheetahEnv) -> None:
        """Plans the episode."""
        self._plan(env)

    def act(self, env: CheetahEnv, rng: np.random.Generator) -> str:
        """Returns what the plan has for this state; plans anew where it has nothing."""
        if not self._on_plan(env):
            self._plan(env)
        return word_action(self._actions[env.steps - self._from].tolist())

    def _on_plan(self, env: CheetahEnv) -> bool:
        place = env.steps - self._from
        if not 0 <= place < len(self._actions):
            return False
        now = np.concatenate((env.data.qpos, env.data.qvel))
        return bool(np.abs(now - self._states[place]).max() <= _NEAR)

    def _plan(self, env: CheetahEnv) -> None:
        start = Start.of(env.data)
        found = self._whole(start) if env.steps == 0 else self._piece(start, env.steps)
        self._from, self._actions = env.steps, found[0]
        self._states = self._simulator.play(start, found).states[0]

    def _whole(self, start: Start) -> Actions:
        """Returns a plan for all the steps, as the only one of its array."""
        plans = shipped()
        best = plans[int(self._simulator.returns(start, played(plans)).argmax())]
        knots = maximise(
            lambda points: self._simulator.returns(
                start, played(points.reshape(-1, KNOTS, ACTIONS))
            ),
            best.ravel(),
            step=_STEP,
            population=POPULATION,
            generations=self.generations,
            rng=generator("cheetah", "planner"),
        )
        return played(knots.reshape(1, KNOTS, ACTIONS))

    def _piece(self, start: Start, step: int) -> Actions:
        """Returns a plan for some steps from the middle of an episode, in the same way."""
        plans, steps = played(shipped()), min(_AHEAD, HORIZON - step)
        begins = range(0, HORIZON - steps + 1, _EVERY)
        pieces = np.concatenate([plans[:, begin : begin + steps] for begin in begins])
        best = self._best(start, pieces)
        rng = generator("cheetah", "planner", step)
        changes = _VARIANT_STEP * rng.standard_normal((_VARIANTS, _VARIANT_KNOTS, ACTIONS))
        changes[0] = 0.0
        tried = np.clip(best + played(changes, steps), -1.0, 1.0)
        return self._best(start, rounded(tried))

    def _best(self, start: Start, actions: Actions) -> Actions:
        return actions[[int(self._simulator.returns(start, actions).argmax())]]
