"""The expert of the grid world: a uniformly random shortest path."""

import numpy as np

from icil.tasks.expert import Expert
from icil.tasks.gridworld.env import GridworldEnv


class ShortestPath(Expert[GridworldEnv]):
    """Walks to the target, choosing uniformly among all the shortest paths.

    With `a` steps still to go down and `b` to the right, `a / (a + b)` of all the shortest paths
    begin with a step down. Drawing each step with that probability therefore gives every path
    the same one, without a plan to remember.
    """

    name: str = "shortest_path"

    def act(self, env: GridworldEnv, rng: np.random.Generator) -> str:
        """Returns the first step of a random shortest path from here."""
        down = env.target[0] - env.player[0]
        right = env.target[1] - env.player[1]
        if rng.integers(abs(down) + abs(right)) < abs(down):
            return "down" if down > 0 else "up"
        return "right" if right > 0 else "left"

    def equally_good(self, env: GridworldEnv) -> tuple[str, ...]:
        """Returns the steps that lead nearer to the target: one or two."""
        down = env.target[0] - env.player[0]
        right = env.target[1] - env.player[1]
        upright = ("down" if down > 0 else "up",) if down else ()
        level = ("right" if right > 0 else "left",) if right else ()
        return upright + level
