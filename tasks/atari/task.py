"""Atari games as tasks."""

from contextlib import closing
from functools import cached_property

from icil.tasks.actions import ParsedAction, parse_choice
from icil.tasks.atari.console import check_game
from icil.tasks.atari.env import HORIZON, AtariEnv
from icil.tasks.atari.expert import ShotPlanner
from icil.tasks.atari.openings import AtariOpenings, looks
from icil.tasks.errors import UsageError
from icil.tasks.expert import Expert
from icil.tasks.observation import Observation
from icil.tasks.openings import Split
from icil.tasks.task import ReferenceScores, Task


class Atari(Task[AtariEnv]):
    """The first 100 steps of a game, seen as it appears on the screen.

    The action language is the names of the game's minimal action set, all of them legal in
    every state.

    Args:
        game: Such as `breakout`.

    Raises:
        UnknownNameError: There is no such game; the message names the nearest.
    """

    version: int = 1
    formats: tuple[str, ...] = ("rgb",)
    image_formats: tuple[str, ...] = ("rgb",)
    horizon: int = HORIZON
    has_expert: bool = False
    slow: bool = True

    def __init__(self, game: str) -> None:
        check_game(game)
        self.game = game
        self.name = f"atari/{game}"
        self.summary = f"{game.replace('_', ' ')} on an Atari 2600, 400 frames"
        self.instruction = f"Score as many points in {game.replace('_', ' ')} as you can."

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The game's minimal action set; the emulator must be started to know it."""
        with closing(self.make_env()) as env:
            return tuple(env.actions)

    def make_env(self) -> AtariEnv:
        """Returns a new console with the game in it."""
        return AtariEnv(self.game)

    def openings(self, split: Split) -> AtariOpenings:
        """Returns the openings of a split, without end."""
        return AtariOpenings(self.name, self.version, split, self.game)

    def state_key(self, env: AtariEnv) -> str:
        """Returns a digest of the picture, which is all that the format shows."""
        return looks(env)

    def observe(self, env: AtariEnv, format: str) -> Observation:
        """Returns the picture."""
        self.check_format(format)
        return Observation(image=env.frame())

    def legal_actions(self, env: AtariEnv) -> tuple[str, ...]:
        """Returns the game's minimal action set."""
        return tuple(env.actions)

    def parse(self, text: str, env: AtariEnv) -> ParsedAction:
        """Reads the name of an action, such as `NOOP` or `RIGHTFIRE`."""
        return parse_choice(text, env.actions, env.actions)

    def expert(self) -> Expert[AtariEnv]:
        """Raises an error: only Phoenix has an expert.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"{self.name} has no expert; its demonstrations come from a pool of yours "
            "(`--pool DIR`). atari/phoenix has one"
        )


class Phoenix(Atari):
    """Phoenix: a ship at the bottom of the screen shoots at birds that dive at it."""

    references: ReferenceScores | None = ReferenceScores(
        expert=459.9, random=90.2, source="LMAct (arXiv 2412.01441)"
    )
    has_expert: bool = True

    def __init__(self) -> None:
        super().__init__("phoenix")

    def expert(self) -> ShotPlanner:
        """Returns the expert."""
        return ShotPlanner()


def make_atari(game: str) -> Atari:
    """Makes the task of a game.

    Raises:
        UnknownNameError: There is no such game; the message names the nearest.
    """
    return Phoenix() if game == "phoenix" else Atari(game)
