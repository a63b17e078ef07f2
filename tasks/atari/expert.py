"""The expert of Phoenix: it plans each shot on a copy of the emulator.

A plan is a list of steps, each a direction (left, none, right) and whether the trigger may be
pulled. The trigger is pulled whenever it may and the gun is free, and let go afterwards: the
game takes one shot a pull, and one shot at a time. Every few steps the planner tries what is
left of the plan in hand, then going either way for a while, then holding fire for a while,
then small changes of the best so far, and takes another plan only if it is worth more. Its copy
of the emulator has no sticky actions: it does not know what will be repeated, and sees the
deviations only when it plans anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.atari.console import ale_version, start_console
from icil.tasks.atari.env import FRAMES, AtariEnv
from icil.tasks.expert import Expert

if TYPE_CHECKING:
    from ale_py import ALEInterface, ALEState

_EXPLODING = 15
"""Where the console's memory tells, by its highest bit, that the ship has been hit."""
_SHOT = 48
"""Where it holds how high the ship's shot is; `_GUN_FREE` or more: there is none."""
_BIRDS = 78
"""Where it holds how many birds are left of a wave."""
_GUN_FREE = 160

_NAMES = {-1: ("LEFT", "LEFTFIRE"), 0: ("NOOP", "FIRE"), 1: ("RIGHT", "RIGHTFIRE")}
"""Directions to the actions that go there without and with a pulled trigger."""
_BUTTONS = {"NOOP": 0, "FIRE": 1, "RIGHT": 3, "LEFT": 4, "RIGHTFIRE": 11, "LEFTFIRE": 12}
"""The emulator's numbers of these actions, which are the same in all games."""

Plan = tuple[tuple[int, bool], ...]
"""For each step a direction and whether the trigger may be pulled."""


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How hard the planner thinks."""

    depth: int = 24
    """How many steps a plan has."""
    commit: int = 3
    """How many steps of a plan are played before it is thought over."""
    ways: tuple[int, ...] = (1, 2, 4, 7, 12)
    """For how many steps plans go one way."""
    waits: tuple[int, ...] = (1, 2, 4, 6, 9, 13, 24)
    """For how many steps plans hold fire."""
    changes: int = 20
    """How many random changes of the best plan are tried."""
    discount: float = 0.96
    """What a point is worth one step later."""
    death: float = 200.0
    """What a lost ship costs, in points."""
    patience: float = 30.0
    """What shooting a bird costs while time is plenty, in points: a bird in formation scores
    20, the same bird in flight 80."""
    pace: int = 10
    """Time is plenty with more than so many steps left for each bird left."""


class ShotPlanner(Expert[AtariEnv]):
    """Plays Phoenix by planning; see the module.

    It reads the emulator's state and how many steps are left, not the sticky actions to come.

    Args:
        strength: How hard it thinks.
    """

    name: str = "shot_planner"
    slow: bool = True

    def __init__(self, strength: Strength | None = None) -> None:
        self.strength = strength or Strength()
        self._copy: ALEInterface | None = None
        self._plan: Plan = ()
        self._played = 0
        self._pulled = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its strength, and the emulator's version."""
        return {**asdict(self.strength), "ale_py": ale_version()}

    def begin(self, env: AtariEnv) -> None:
        """Starts the emulator that it plans on."""
        self._copy = self._copy or start_console(env.game, FRAMES)
        self._plan, self._played, self._pulled = (), 0, False

    def close(self) -> None:
        """Lets go of the emulator."""
        self._copy = None

    def act(self, env: AtariEnv, rng: np.random.Generator) -> str:
        """Returns the next step of the plan in hand, thought over when it is time to."""
        memory = env.console.getRAM()
        if _is_hit(memory):
            self._plan, self._pulled = (), False
            return "NOOP"
        if not self._plan or self._played >= self.strength.commit:
            self._plan, self._played = self._think(env, memory, rng), 0
        step = self._plan[self._played]
        self._played += 1
        self._pulled = _pulls(step, memory, self._pulled)
        return _NAMES[step[0]][self._pulled]

    def _think(self, env: AtariEnv, memory: NDArray[np.uint8], rng: np.random.Generator) -> Plan:
        """Returns the plan that is worth most; of equal ones the first, so the one in hand."""
        depth, left = self.strength.depth, env.steps_left
        plenty = left > self.strength.pace * int(memory[_BIRDS])
        cost = self.strength.patience if plenty else 0.0
        state = env.console.cloneState(include_rng=False)
        idle: Plan = ((0, True),) * depth
        best = (self._plan[self._played :] + idle)[:depth]
        tried = {best: self._worth(state, best, cost)}

        def consider(plan: Plan) -> None:
            nonlocal best
            if plan not in tried:
                tried[plan] = self._worth(state, plan, cost)
                if tried[plan] > tried[best]:
                    best = plan

        for plan in self._ways():
            consider(plan)
        aim = best
        for wait in self.strength.waits:
            consider(tuple((way, i >= wait) for i, (way, _) in enumerate(aim)))
        for _ in range(self.strength.changes):
            consider(_changed(best, rng))
        return best

    def _ways(self) -> Iterator[Plan]:
        """Yields the plans that stay, or go one way and then stay, firing all the time."""
        depth = self.strength.depth
        yield ((0, True),) * depth
        for steps in self.strength.ways:
            for way in (-1, 1):
                yield tuple((way if i < steps else 0, True) for i in range(depth))

    def _worth(self, state: "ALEState", plan: Plan, cost: float) -> float:
        """Returns the discounted points of a plan, played on the copy."""
        copy = self._copy
        assert copy is not None
        copy.restoreState(state)
        memory, pulled, worth, weight = copy.getRAM(), self._pulled, 0.0, 1.0
        for step in plan:
            pulled = _pulls(step, memory, pulled)
            points = copy.act(_BUTTONS[_NAMES[step[0]][pulled]])
            worth += weight * (points - cost) if points else 0.0
            weight *= self.strength.discount
            copy.getRAM(memory)
            if _is_hit(memory) or copy.game_over():
                return worth - weight * self.strength.death
        return worth


def _pulls(step: tuple[int, bool], memory: NDArray[np.uint8], pulled: bool) -> bool:
    """Returns whether the trigger is pulled, given whether it was in the step before."""
    return step[1] and not pulled and bool(memory[_SHOT] >= _GUN_FREE)


def _is_hit(memory: NDArray[np.uint8]) -> bool:
    return bool(memory[_EXPLODING] & 0x80)


def _changed(plan: Plan, rng: np.random.Generator) -> Plan:
    """Returns a plan with one or two stretches of it made anew."""
    steps = list(plan)
    for _ in range(int(rng.integers(1, 3))):
        start = int(rng.integers(len(steps)))
        new = (int(rng.integers(-1, 2)), bool(rng.random() < 0.75))
        end = min(len(steps), start + int(rng.integers(1, 7)))
        steps[start:end] = [new] * (end - start)
    return tuple(steps)
