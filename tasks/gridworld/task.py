"""The grid world as a task."""

from functools import cache
from typing import Any

import numpy as np

from icil.tasks.actions import ParsedAction, parse_choice
from icil.tasks.gridworld.drawing import as_characters, as_picture
from icil.tasks.gridworld.env import FREE_CELLS, HORIZON, MOVES, GridworldEnv
from icil.tasks.gridworld.expert import ShortestPath
from icil.tasks.observation import Observation
from icil.tasks.openings import EnumeratedOpenings, Split
from icil.tasks.task import ReferenceScores, Task

_ACTIONS = tuple(MOVES)
_NUMBERS = {action: number for number, action in enumerate(_ACTIONS)}


class Gridworld(Task[GridworldEnv]):
    """A player walks to a target in a walled room.

    The openings are all 9,900 pairs of different free cells. All four actions are legal in
    every state; one that runs into a wall is wasted.
    """

    name: str = "gridworld"
    version: int = 1
    summary: str = "walk to a target in a walled room of 12x12 cells"
    instruction: str = "Walk to the target."
    formats: tuple[str, ...] = ("ascii", "coords", "rgb")
    image_formats: tuple[str, ...] = ("rgb",)
    horizon: int = HORIZON
    references: ReferenceScores | None = ReferenceScores(
        expert=1.00, random=0.13, source="LMAct (arXiv 2412.01441), read off a figure"
    )

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The four directions."""
        return _ACTIONS

    def make_env(self) -> GridworldEnv:
        """Returns a new room."""
        return GridworldEnv()

    def openings(self, split: Split) -> EnumeratedOpenings:
        """Returns a half of all the pairs of different free cells."""
        return EnumeratedOpenings(self.name, self.version, split, _states())

    def state_key(self, env: GridworldEnv) -> str:
        """Returns the two cells."""
        return f"{env.player} {env.target}"

    def observe(self, env: GridworldEnv, format: str) -> Observation:
        """Renders the room, or tells where player and target are."""
        self.check_format(format)
        player, target = env.player, env.target
        if format == "rgb":
            return Observation(image=as_picture(player, target))
        if format == "coords":
            return Observation(
                text=f"player {player}, target {target}",
                state=np.array(player + target, dtype=np.float64),
            )
        return Observation(text=as_characters(player, target))

    def legal_actions(self, env: GridworldEnv) -> tuple[str, ...]:
        """Returns all four."""
        return _ACTIONS

    def parse(self, text: str, env: GridworldEnv) -> ParsedAction:
        """Reads `up`, `down`, `left` or `right`."""
        return parse_choice(text, _NUMBERS, _NUMBERS)

    def expert(self) -> ShortestPath:
        """Returns the expert."""
        return ShortestPath()


@cache
def _states() -> tuple[dict[str, Any], ...]:
    return tuple(
        {"player": list(player), "target": list(target)}
        for player in FREE_CELLS
        for target in FREE_CELLS
        if player != target
    )
