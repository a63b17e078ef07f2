"""The expert of Phoenix: it plans its shots on a copy of the emulator.

A plan is a list of steps, each a direction (left, none, right) and whether the trigger may be
pulled. The trigger is pulled whenever it may and the gun is free, and let go afterwards: the
game takes one shot a pull, and one shot at a time. Every few steps the planner tries what is
left of the plan in hand, then going either way for a while, then holding fire for a while, then
small changes of the best so far, and takes another plan only if it is worth more. A plan is
worth its points, fewer the later they come; where nothing can be hit yet, those are preferred
that bring the ship below the birds.

Its copy has sticky actions of its own: it plays each plan with none and with two guesses at
what might be repeated, which have nothing to do with what will be.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.atari.console import ale_version, start_console
from icil.tasks.atari.env import FRAMES, STICKINESS, AtariEnv
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
_SHIP = 94
"""Where it holds the ship's place, `_SHIP_LEFT` more than its middle column."""
_SHIP_LEFT = 67
_SKY = slice(25, 160)
"""The rows between the score and the ship."""
_FEWEST_PIXELS = 20
"""So few pixels in the sky are shots, not birds."""

_NAMES = {-1: ("LEFT", "LEFTFIRE"), 0: ("NOOP", "FIRE"), 1: ("RIGHT", "RIGHTFIRE")}
"""Directions to the actions that go there without and with a pulled trigger."""
_BUTTONS = {"NOOP": 0, "FIRE": 1, "RIGHT": 3, "LEFT": 4, "RIGHTFIRE": 11, "LEFTFIRE": 12}
"""The emulator's numbers of these actions, which are the same in all games."""
_PULLED = frozenset(_BUTTONS[pulled] for _, pulled in _NAMES.values()) | {13}
"""Those that pull the trigger; 13 is DOWNFIRE."""

Plan = tuple[tuple[int, bool], ...]
"""For each step a direction and whether the trigger may be pulled."""


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How hard the planner thinks."""

    depth: int = 20
    """How many steps a plan has."""
    commit: int = 3
    """How many steps of a plan are played before it is thought over."""
    ways: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 11, 15)
    """For how many steps plans go one way."""
    waits: tuple[int, ...] = (1, 2, 4, 6, 9, 13, 20)
    """For how many steps plans hold fire."""
    changes: int = 15
    """How many small random changes of the best plan are tried."""
    guesses: int = 2
    """How many guesses at the sticky actions each plan is tried with, beside none."""
    discount: float = 0.97
    """What a point is worth one step later."""
    death: float = 200.0
    """What a lost ship costs, in points."""
    patience: float = 30.0
    """What shooting a bird costs while time is plenty, in points: a bird that stays in its place
    scores 20, the same bird on the move 80."""
    pace: int = 11
    """Time is plenty with more than so many steps left for each bird left."""
    pull: float = 0.3
    """What each pixel between the ship and the middle of the birds costs, in points."""


class ShotPlanner(Expert[AtariEnv]):
    """Plays Phoenix by planning; see the module.

    It reads the emulator's state, the action in effect and how many steps are left, but not the
    sticky actions to come.

    Args:
        strength: How hard it thinks.
    """

    name: str = "shot_planner"
    slow: bool = True
    plans: bool = True

    def __init__(self, strength: Strength | None = None) -> None:
        self.strength = strength or Strength()
        self._copy: ALEInterface | None = None
        self._plan: Plan = ()
        self._played = 0

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its strength, and the emulator's version; JSON."""
        strength = asdict(self.strength)
        strength |= {"ways": [*self.strength.ways], "waits": [*self.strength.waits]}
        return {**strength, "ale_py": ale_version()}

    def begin(self, env: AtariEnv) -> None:
        """Starts the emulator that it plans on."""
        self._copy = self._copy or start_console(env.game)
        self._plan, self._played = (), 0

    def close(self) -> None:
        """Lets go of the emulator."""
        self._copy = None

    def act(self, env: AtariEnv, rng: np.random.Generator) -> str:
        """Returns the next step of the plan in hand, thought over when it is time to."""
        memory = env.console.getRAM()
        if _is_hit(memory):
            self._plan = ()
            return "NOOP"
        if not self._plan or self._played >= self.strength.commit:
            self._plan, self._played = self._think(env, memory, rng), 0
        step = self._plan[self._played]
        self._played += 1
        return _NAMES[step[0]][_pulls(step, memory, env.held)]

    def _think(self, env: AtariEnv, memory: NDArray[np.uint8], rng: np.random.Generator) -> Plan:
        """Returns the plan that is worth most; of equal ones the first, so the one in hand."""
        assert self._copy is not None
        how, depth = self.strength, self.strength.depth
        plenty = env.steps_left > how.pace * int(memory[_BIRDS])
        trial = _Trial(
            copy=self._copy,
            state=env.console.cloneState(include_rng=False),
            held=env.held,
            stuck=_guesses(how.guesses, depth, rng),
            steps=min(depth, env.steps_left),
            cost=how.patience if plenty else 0.0,
            middle=_middle_of_birds(env.console.getScreen()),
            how=how,
        )
        idle: Plan = ((0, True),) * depth
        best = (self._plan[self._played :] + idle)[:depth]
        tried, worth = {best}, trial.worth(best, -np.inf)

        def consider(plans: Iterable[Plan]) -> None:
            nonlocal best, worth
            for plan in plans:
                if plan not in tried:
                    tried.add(plan)
                    if (found := trial.worth(plan, worth)) > worth:
                        best, worth = plan, found

        consider(_ways(how))
        # The waits are tried on what is best when the first of them is made.
        consider([tuple((way, i >= wait) for i, (way, _) in enumerate(best)) for wait in how.waits])
        consider(_changed(best, rng) for _ in range(how.changes))
        return best


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """The circumstances under which plans are compared."""

    copy: "ALEInterface"
    state: "ALEState"
    held: int
    stuck: list[list[list[bool]]]
    """For each guess, step and frame, whether the frame repeats the action before."""
    steps: int
    cost: float
    middle: float
    how: Strength

    def worth(self, plan: Plan, bar: float) -> float:
        """Returns the mean worth over the guesses, or over the first ones if not above `bar`."""
        total = 0.0
        for number, stuck in enumerate(self.stuck, start=1):
            total += self._play(plan, stuck)
            if total / number <= bar:
                return total / number
        return total / len(self.stuck)

    def _play(self, plan: Plan, stuck: list[list[bool]]) -> float:
        act, getRAM = self.copy.act, self.copy.getRAM  # noqa: N806 - the emulator's name
        self.copy.restoreState(self.state)
        memory, held, worth, weight = getRAM(), self.held, 0.0, 1.0
        for step, repeats in zip(plan[: self.steps], stuck, strict=False):
            button = _BUTTONS[_NAMES[step[0]][_pulls(step, memory, held)]]
            points = 0
            for repeated in repeats:
                held = held if repeated else button
                points += act(held)
            worth += weight * (points - self.cost) if points else 0.0
            weight *= self.how.discount
            getRAM(memory)
            if _is_hit(memory):
                return worth - weight * self.how.death
        return worth - self.how.pull * abs(int(memory[_SHIP]) - _SHIP_LEFT - self.middle)


def _guesses(count: int, depth: int, rng: np.random.Generator) -> list[list[list[bool]]]:
    """Returns no sticky actions, then guesses at them."""
    stuck = rng.random((count + 1, depth, FRAMES)) < STICKINESS
    stuck[0] = False
    guesses: list[list[list[bool]]] = stuck.tolist()
    return guesses


def _ways(how: Strength) -> Iterator[Plan]:
    """Yields the plans that stay, or go one way and then stay, firing all the time."""
    yield ((0, True),) * how.depth
    for steps in how.ways:
        for way in (-1, 1):
            yield tuple((way if i < steps else 0, True) for i in range(how.depth))


def _pulls(step: tuple[int, bool], memory: NDArray[np.uint8], held: int) -> bool:
    """Returns whether a step pulls the trigger, given the action held in the frame before."""
    return step[1] and held not in _PULLED and bool(memory[_SHOT] >= _GUN_FREE)


def _is_hit(memory: NDArray[np.uint8]) -> bool:
    return bool(memory[_EXPLODING] & 0x80)


def _changed(plan: Plan, rng: np.random.Generator) -> Plan:
    """Returns a plan with one or two stretches of it made anew."""
    steps = list(plan)
    for _ in range(int(rng.integers(1, 3))):
        start = int(rng.integers(len(steps)))
        end = min(len(steps), start + int(rng.integers(1, 7)))
        new = (int(rng.integers(-1, 2)), bool(rng.random() < 0.75))
        steps[start:end] = [new] * (end - start)
    return tuple(steps)


def _middle_of_birds(screen: NDArray[np.uint8]) -> float:
    """Returns the mean column of what is seen above the ship; what is low counts for more."""
    sky = screen[_SKY] != 0
    columns = (np.arange(1, len(sky) + 1) ** 3) @ sky
    seen = np.count_nonzero(sky) > _FEWEST_PIXELS
    return float(columns @ np.arange(len(columns)) / columns.sum()) if seen else len(columns) / 2
