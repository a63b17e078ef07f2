"""Chess as a task."""

from collections.abc import Mapping
from typing import Any

import chess

from icil.tasks.actions import ParsedAction
from icil.tasks.chess.drawing import as_picture
from icil.tasks.chess.env import HORIZON, OPPONENT_LIMIT, OPPONENT_SKILL, ChessEnv
from icil.tasks.chess.expert import StockfishExpert
from icil.tasks.chess.language import Language, check_language, express, read, words
from icil.tasks.chess.notation import as_characters, as_fen
from icil.tasks.chess.stockfish import TIMEOUT_S, Stockfish
from icil.tasks.chess.table import opening_table
from icil.tasks.observation import Observation
from icil.tasks.openings import EnumeratedOpenings, Split
from icil.tasks.task import ReferenceScores, Task, Transition

EXPERT_SKILL = 20
EXPERT_LIMIT: Mapping[str, int] = {"milliseconds": 50}


class Chess(Task[ChessEnv]):
    """The side to move plays a named opening on against a weak Stockfish.

    The openings are the lines of `icil.tasks.chess.table`, played to their end; no position ends
    a line of both splits. As in LMAct, no format says which side the agent plays: it is the one
    to move, as FEN and PGN tell and as board and picture do not.

    Args:
        language: How moves are written: `san` or `uci`. Traces hold SAN, see `express`.
        engine: Stockfish's executable; None for `$ICIL_STOCKFISH`, else the one that is found.
        expert_skill: The expert's skill, 0 to 20.
        expert_limit: How long the expert thinks: `milliseconds`, `nodes` or `depth`.
        opponent_skill: The opponent's skill, 0 to 20.
        opponent_limit: How long the opponent thinks.
        engine_timeout_s: How long an engine's answer may take, in seconds, before the engine is
            killed, started anew and asked again.

    Raises:
        UsageError: A setting has a value that it cannot have.
    """

    name: str = "chess"
    version: int = 1
    summary: str = "chess from a named opening against a weak Stockfish"
    instruction: str = "Win the game for the side to move."
    formats: tuple[str, ...] = ("ascii", "fen", "pgn", "rgb")
    image_formats: tuple[str, ...] = ("rgb",)
    horizon: int = HORIZON
    references: ReferenceScores | None = ReferenceScores(
        expert=1.00, random=-1.00, source="LMAct (arXiv 2412.01441), read off a figure"
    )
    slow: bool = True
    repeatable: bool = False
    """A weak engine answers as chance has it."""

    def __init__(
        self,
        *,
        language: Language = "san",
        engine: str | None = None,
        expert_skill: int = EXPERT_SKILL,
        expert_limit: Mapping[str, int] = EXPERT_LIMIT,
        opponent_skill: int = OPPONENT_SKILL,
        opponent_limit: Mapping[str, int] = OPPONENT_LIMIT,
        engine_timeout_s: float = TIMEOUT_S,
    ) -> None:
        check_language(language)
        self.language = language
        self._opponent = Stockfish(engine, opponent_skill, opponent_limit, engine_timeout_s)
        self._player = Stockfish(engine, expert_skill, expert_limit, engine_timeout_s)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was set beside the defaults."""
        opponent, player = self._opponent, self._player
        every: tuple[tuple[str, Any, Any], ...] = (
            ("language", self.language, "san"),
            ("engine", player.engine, None),
            ("expert_skill", player.skill, EXPERT_SKILL),
            ("expert_limit", player.limit, EXPERT_LIMIT),
            ("opponent_skill", opponent.skill, OPPONENT_SKILL),
            ("opponent_limit", opponent.limit, OPPONENT_LIMIT),
            ("engine_timeout_s", player.timeout_s, TIMEOUT_S),
        )
        return {name: value for name, value, default in every if value != default}

    def make_env(self) -> ChessEnv:
        """Returns a new game; starts no engine."""
        return ChessEnv(self._opponent.choose)

    def openings(self, split: Split) -> EnumeratedOpenings:
        """Returns a half of the table of openings."""
        return EnumeratedOpenings(self.name, self.version, split, opening_table())

    def state_key(self, env: ChessEnv) -> str:
        """Returns the game so far, which is what PGN shows."""
        return env.scribe.start + " ".join(map(chess.Move.uci, env.board.move_stack))

    def observe(self, env: ChessEnv, format: str) -> Observation:
        """Renders the position, or the game."""
        self.check_format(format)
        if format == "rgb":
            return Observation(image=as_picture(env.board))
        if format == "pgn":
            return Observation(text=env.scribe.pgn())
        return Observation(text=as_fen(env.board) if format == "fen" else as_characters(env.board))

    def legal_actions(self, env: ChessEnv) -> tuple[str, ...]:
        """Returns the legal moves, sorted by their wording."""
        return words(env.board, self.language)

    def parse(self, text: str, env: ChessEnv) -> ParsedAction:
        """Reads a move, to the letter; see `icil.tasks.chess.language`."""
        return read(text, env.board, self.language)

    def express(self, action: str, env: ChessEnv) -> str:
        """Returns an action of a trace as this task's language writes it in the present state."""
        return express(action, env.board, self.language)

    def step(self, env: ChessEnv, value: Any, outcome: Any = None) -> Transition:
        """Plays a move; with the recorded answer as `outcome`, no engine is asked."""
        if outcome is None:
            return super().step(env, value)
        _, reward, terminated, truncated, info = env.repeat(value, outcome)
        return Transition(reward, terminated, truncated, info.get("outcome"))

    def expert(self) -> StockfishExpert:
        """Returns an expert; starts no engine."""
        return StockfishExpert(self._player, self._opponent, self.language)
