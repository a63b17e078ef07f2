"""The openings of Atari games: idle steps, and the seed of the sticky actions.

What an opening looks like depends on the idle steps alone. The different looks that 1 to 30 of
them give go to the two splits in turn, so that no evaluation starts as a demonstration does. A
game that waits for its player, and so hardly changes meanwhile, gets 1 to 30 random actions
after them; there the digest of the picture decides on its split.
"""

from collections.abc import Mapping
from contextlib import closing
from functools import cache
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np

from icil.tasks.atari.env import NOOPS, AtariEnv
from icil.tasks.errors import OpeningsError
from icil.tasks.openings import Opening, Split
from icil.tasks.seeding import digest, generator, seed

_FEWEST_LOOKS = 10
"""A game with fewer looks among its idle steps waits for its player."""
_TRIES = 200
"""How many random beginnings are tried until one belongs to the split."""


class AtariOpenings:
    """The openings of one split; there is no last one.

    Args:
        task: The task's name.
        version: The task's version.
        split: Which split.
        game: The game.
    """

    distinct: int | None = None

    def __init__(self, task: str, version: int, split: Split, game: str) -> None:
        self.split = split
        self._identity = (task, version)
        self._game = game
        self._noops = _idle_steps(game)[split]
        self._env: AtariEnv | None = None
        """Where beginnings are tried: to start a console takes longer than to try ten of them."""
        self._lock = Lock()

    def __getitem__(self, index: int) -> Opening:
        """Returns an opening.

        Raises:
            OpeningsError: The index is negative, or the game always looks the same.
        """
        if index < 0:
            raise OpeningsError(f"{self._identity[0]} has no {self.split} opening {index}")
        chance_seed = seed("chance", *self._identity, self.split, index)
        rng = generator("openings", *self._identity, self.split, index)
        if self._noops:
            state: dict[str, Any] = {"noops": self._noops[int(rng.integers(len(self._noops)))]}
        else:
            with self._lock:
                self._env = self._env or AtariEnv(self._game)
                state = self._beginning(self._env, rng)
        return Opening(split=self.split, index=index, state={**state, "chance_seed": chance_seed})

    def _beginning(self, env: AtariEnv, rng: np.random.Generator) -> dict[str, Any]:
        parity = int(self.split == "evaluation")
        names = tuple(env.actions)
        for _ in range(_TRIES):
            count = int(rng.integers(1, NOOPS + 1))
            presses = [names[i] for i in rng.integers(len(names), size=count)]
            state = {"noops": int(rng.integers(1, NOOPS + 1)), "presses": presses}
            env.reset(options={"opening": {**state, "chance_seed": 0}})
            if env.steps_left and digest(looks(env))[0] % 2 == parity:
                return state
        raise OpeningsError(
            f"{self._game} looks the same whatever is done at its beginning; it has no "
            f"{self.split} openings"
        )


def looks(env: AtariEnv) -> str:
    """Returns 32 hexadecimal digits that two states share exactly when they look the same."""
    return blake2b(env.frame().tobytes(), digest_size=16).hexdigest()


@cache
def _idle_steps(game: str) -> Mapping[Split, tuple[int, ...]]:
    """Returns the numbers of idle steps that belong to each split; none if the game waits."""
    first: dict[str, int] = {}
    numbers: dict[Split, list[int]] = {"evaluation": [], "demonstration": []}
    splits = tuple(numbers)
    with closing(AtariEnv(game)) as env:
        for noops in range(1, NOOPS + 1):
            env.reset(options={"opening": {"noops": noops, "chance_seed": 0}})
            look = first.setdefault(looks(env), len(first))
            numbers[splits[look % 2]].append(noops)
    if len(first) < _FEWEST_LOOKS:
        return dict.fromkeys(splits, ())
    return {split: tuple(found) for split, found in numbers.items()}
