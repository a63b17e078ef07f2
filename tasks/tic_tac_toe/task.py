"""Tic-tac-toe as a task."""

from functools import cache
from typing import Any

from icil.tasks.actions import ParsedAction, parse_choice
from icil.tasks.observation import Observation
from icil.tasks.openings import EnumeratedOpenings, Split
from icil.tasks.task import ReferenceScores, Task, Transition
from icil.tasks.tic_tac_toe.board import CELLS, early_boards, free_cells
from icil.tasks.tic_tac_toe.drawing import as_characters, as_picture
from icil.tasks.tic_tac_toe.env import HORIZON, TicTacToeEnv
from icil.tasks.tic_tac_toe.expert import Minimax

_NUMBERS = {cell: number for number, cell in enumerate(CELLS)}


class TicTacToe(Task[TicTacToeEnv]):
    """The side to move plays on against an opponent who plays at random.

    The openings are all 1,090 boards of at most four marks. No format says which side the agent
    plays: x begins, so the numbers of marks tell.
    """

    name: str = "tic_tac_toe"
    version: int = 1
    summary: str = "tic-tac-toe from an early board against a random opponent"
    instruction: str = "Win the game: three of your marks in a row."
    formats: tuple[str, ...] = ("ascii", "rgb")
    image_formats: tuple[str, ...] = ("rgb",)
    horizon: int = HORIZON
    references: ReferenceScores | None = ReferenceScores(
        expert=0.85, random=0.13, source="LMAct (arXiv 2412.01441), read off a figure"
    )

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The nine cells, in row order."""
        return tuple(CELLS)

    def make_env(self) -> TicTacToeEnv:
        """Returns a new game."""
        return TicTacToeEnv()

    def openings(self, split: Split) -> EnumeratedOpenings:
        """Returns a half of all the boards of at most four marks."""
        return EnumeratedOpenings(self.name, self.version, split, _states())

    def state_key(self, env: TicTacToeEnv) -> str:
        """Returns the board."""
        return env.board

    def observe(self, env: TicTacToeEnv, format: str) -> Observation:
        """Renders the board."""
        self.check_format(format)
        if format == "rgb":
            return Observation(image=as_picture(env.board))
        return Observation(text=as_characters(env.board))

    def legal_actions(self, env: TicTacToeEnv) -> tuple[str, ...]:
        """Returns the empty cells, in row order."""
        return tuple(CELLS[cell] for cell in free_cells(env.board))

    def parse(self, text: str, env: TicTacToeEnv) -> ParsedAction:
        """Reads a cell, `a1` to `c3`; a taken one is illegal."""
        return parse_choice(text, _NUMBERS, self.legal_actions(env))

    def step(self, env: TicTacToeEnv, value: Any, outcome: Any = None) -> Transition:
        """Plays a mark; with the recorded answer as `outcome`, the opponent repeats that."""
        if outcome is None:
            return super().step(env, value)
        _, reward, terminated, truncated, info = env.repeat(value, outcome)
        return Transition(reward, terminated, truncated, info.get("outcome"))

    def expert(self) -> Minimax:
        """Returns the expert."""
        return Minimax()


@cache
def _states() -> tuple[dict[str, str], ...]:
    return tuple({"board": board} for board in early_boards())
