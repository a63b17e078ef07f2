"""The dynamics of an Atari game: 100 actions, each held for four frames of a real emulator.

Actions are sticky: at each frame, with probability 0.25, the console goes on with the action
of the frame before instead of taking the one asked for. The opening seeds these chances, so
that it and the actions determine the episode. The reward is what the score grows by.
"""

from collections.abc import Mapping
from operator import index
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from icil.tasks.atari.console import start_console
from icil.tasks.errors import OpeningsError
from icil.tasks.seeding import generator

HORIZON = 100
"""The most steps an episode takes."""
FRAMES = 4
"""For how many frames of the emulator a step holds its action."""
STICKINESS = 0.25
"""The probability of each frame to repeat the action of the frame before."""
NOOPS = 30
"""The most idle steps before an episode begins; there is at least one."""

_IDLE = 0
"""The emulator's number of NOOP, which is not among the actions of every game."""


class AtariEnv(gymnasium.Env[NDArray[np.uint8], int | np.int64]):
    """A game; observations are the console's memory, the picture is drawn by `frame`.

    `reset` takes `options={"opening": {"noops": 7, "chance_seed": 3}}`: how many steps pass
    with no button pressed before the episode begins, and what seeds the sticky actions. An
    opening may hold `presses` too, names of actions that follow the idle steps, and ignores
    what else it is given. What is missing is drawn from `np_random`.

    Args:
        game: Such as `phoenix`.
    """

    def __init__(self, game: str) -> None:
        self.game = game
        self.console = start_console(game)
        """The emulator; whoever plans ahead copies its state and leaves it as it is."""
        buttons = self.console.getMinimalActionSet()
        self._buttons = tuple(button.value for button in buttons)
        self.actions: Mapping[str, int] = {b.name: i for i, b in enumerate(buttons)}
        """The names of the game's actions, and their numbers, in the emulator's order."""
        # A second reset_game() differs from the first in some games; a restored state does not.
        self._start = self.console.cloneState(include_rng=True)
        self.observation_space = Box(0, 255, (self.console.getRAMSize(),), np.uint8)
        self.action_space = Discrete(len(self._buttons))
        self._steps_left = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Starts an episode.

        Raises:
            OpeningsError: The opening has no such number of idle steps, seed or presses.
        """
        super().reset(seed=seed)
        opening = dict((options or {}).get("opening") or {})
        opening.setdefault("noops", int(self.np_random.integers(1, NOOPS + 1)))
        opening.setdefault("chance_seed", int(self.np_random.integers(2**32)))
        noops, chance_seed, presses = self._read(opening)
        self.console.restoreState(self._start)
        # The first of the idle frames also brings the picture up to date, which is stale now.
        for button in (_IDLE,) * noops + presses:
            for _ in range(FRAMES):
                self.console.act(button)
        chances = generator("atari", "sticky", chance_seed).random((HORIZON, FRAMES))
        self._stuck = (chances < STICKINESS).tolist()
        self._held = _IDLE
        self._steps_left = 0 if self.console.game_over(with_truncation=False) else HORIZON
        return self.console.getRAM(), {}

    def step(
        self, action: int | np.int64
    ) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Holds an action for four frames.

        Raises:
            ResetNeeded: The episode has ended, or none has begun.
        """
        if not self._steps_left:
            raise ResetNeeded("there is no episode in progress; call reset() first")
        button, reward = self._buttons[action], 0
        for stuck in self._stuck[HORIZON - self._steps_left]:
            if not stuck:
                self._held = button
            reward += self.console.act(self._held)
        over = self.console.game_over(with_truncation=False)
        self._steps_left = 0 if over else self._steps_left - 1
        truncated = not over and not self._steps_left
        return self.console.getRAM(), float(reward), over, truncated, {}

    def frame(self) -> NDArray[np.uint8]:
        """Returns the picture after the last frame, shape (height, width, 3)."""
        return self.console.getScreenRGB()

    @property
    def held(self) -> int:
        """The emulator's number of the action that the last frame saw."""
        return self._held

    @property
    def steps_left(self) -> int:
        """How many steps the episode may still take; 0 when none is in progress."""
        return self._steps_left

    def _read(self, opening: Mapping[str, Any]) -> tuple[int, int, tuple[int, ...]]:
        try:
            noops, chance_seed = index(opening["noops"]), index(opening["chance_seed"])
            presses = tuple(self._buttons[self.actions[n]] for n in opening.get("presses", ()))
        except (KeyError, TypeError) as error:
            raise OpeningsError(
                f"an opening of {self.game} needs whole numbers 'noops' and 'chance_seed', and "
                f"may have a list of 'presses' from {', '.join(self.actions)}; not {opening!r}"
            ) from error
        if not 1 <= noops <= NOOPS or chance_seed < 0:
            raise OpeningsError(
                f"an opening of {self.game} has 1 to {NOOPS} noops and a chance_seed of 0 or "
                f"more, not {noops} and {chance_seed}"
            )
        return noops, chance_seed, presses
