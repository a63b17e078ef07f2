"""Crossword as a task."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from icil.tasks.actions import ParsedAction, excerpt
from icil.tasks.crossword.drawing import as_characters
from icil.tasks.crossword.env import HORIZON, CrosswordEnv
from icil.tasks.crossword.expert import Solution
from icil.tasks.crossword.language import AnyWord, objection, read
from icil.tasks.crossword.openings import CrosswordOpenings
from icil.tasks.errors import UsageError
from icil.tasks.observation import Observation
from icil.tasks.openings import Split
from icil.tasks.task import ReferenceScores, Task

Illegal = Literal["replace", "end"]
"""What becomes of an action that names no clue of the puzzle, or has a wrong length."""


class Crossword(Task[CrosswordEnv]):
    """Small crosswords of common words, clued by their definitions.

    Any letters of the right length are legal, at any clue. With `illegal="replace"`, all else
    that is of the language is answered as illegal, so that the harness replaces it, as LMAct
    did; with `illegal="end"` it is played, and then costs 1 and ends the episode, as LMAct's
    rules have it.

    Args:
        illegal: What becomes of illegal actions.
    """

    name: str = "crossword"
    version: int = 2
    summary: str = "solve a crossword of 7x7 cells with about ten words"
    instruction: str = "Fill in the words of the crossword."
    formats: tuple[str, ...] = ("ascii",)
    licence = "Apache-2.0; clues and words: WordNet 3.0 licence"
    horizon: int = HORIZON
    references: ReferenceScores | None = ReferenceScores(
        expert=10.29, random=0.00, source="LMAct (arXiv 2412.01441), read off a figure"
    )

    def __init__(self, *, illegal: Illegal = "replace") -> None:
        if illegal not in get_args(Illegal):
            known = " or ".join(map(repr, get_args(Illegal)))
            raise UsageError(f"the setting 'illegal' of crossword is {known}, not {illegal!r}")
        self._illegal = illegal

    @property
    def settings(self) -> Mapping[str, Any]:
        """What becomes of illegal actions, if they are not replaced."""
        return {} if self._illegal == "replace" else {"illegal": self._illegal}

    def make_env(self) -> CrosswordEnv:
        """Returns a new puzzle."""
        return CrosswordEnv()

    def openings(self, split: Split) -> CrosswordOpenings:
        """Returns puzzles without end."""
        return CrosswordOpenings(self.name, self.version, split)

    def state_key(self, env: CrosswordEnv) -> str:
        """Returns what is shown of the puzzle."""
        return as_characters(env.puzzle, env.solved, env.written)

    def observe(self, env: CrosswordEnv, format: str) -> Observation:
        """Renders the grid and the clues."""
        self.check_format(format)
        return Observation(text=as_characters(env.puzzle, env.solved, env.written))

    def legal_actions(self, env: CrosswordEnv) -> AnyWord:
        """Returns all words of the right lengths."""
        return AnyWord({clue: env.lengths[clue] for clue in env.unsolved})

    def parse(self, text: str, env: CrosswordEnv) -> ParsedAction:
        """Reads a clue and a word, such as `A1: WORD`."""
        if not text.strip():
            return ParsedAction(status="empty", reason="the reply is empty")
        said = read(text)
        if said is None:
            reason = f"{excerpt(text.strip())} is not a clue and a word, such as 'A1: WORD'"
            return ParsedAction(status="invalid", reason=reason)
        problem = objection(said, env.lengths)
        if problem and self._illegal == "replace":
            return ParsedAction(status="illegal", reason=problem)
        return ParsedAction(status="ok", action=str(said), value=str(said))

    def expert(self) -> Solution:
        """Returns the expert."""
        return Solution()
