"""The dynamics of chess: the agent against an engine.

The agent plays the side to move in the opening. A step is the agent's move and, unless that ends
the game, the engine's, which is the step's `info["outcome"]` (in UCI). Winning pays 1, losing -1,
a draw 0. A draw that the side to move may claim (the same position for the third time, fifty
moves without a capture or a pawn's move) ends the game at once, as do mate, stalemate and dead
positions. The 100th step truncates. An illegal move loses at once and leaves the board as it is;
the harness never plays one, since it replaces illegal actions beforehand.
"""

from collections.abc import Callable, Mapping
from typing import Any

import chess
import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from icil.tasks.chess.moves import MOVES, decode
from icil.tasks.chess.notation import Scribe
from icil.tasks.chess.stockfish import Stockfish
from icil.tasks.chess.table import opening_table
from icil.tasks.errors import OpeningsError, PoolError

HORIZON = 100
"""The most moves that the agent makes."""
OPPONENT_SKILL = 0
OPPONENT_LIMIT: Mapping[str, int] = {"nodes": 1}

_CLAIMABLE_FROM = 7
"""Plies without a capture or a pawn's move before which no draw can be claimed."""

Opponent = Callable[[chess.Board], chess.Move]
"""Returns a move for the side to move, and leaves the board as it is."""
Step = tuple[NDArray[np.int8], float, bool, bool, dict[str, Any]]


class ChessEnv(gymnasium.Env[NDArray[np.int8], int | np.int64]):
    """The game; observations are 8x8 numbers, rank 8 first, 0 for an empty square.

    Pawns are 1, knights 2, bishops 3, rooks 4, queens 5, kings 6, and negative if black. Actions
    are moves by their number, see `icil.tasks.chess.moves`.

    `reset` takes `options={"opening": {"moves": "e4 e5 Nf3"}}`, moves in SAN from the initial
    position, or from that of `fen` if there is one, and ignores what else the opening holds.
    Without an opening, one of the table's is drawn from `np_random`.

    Args:
        opponent: Who answers; None for Stockfish at skill 0 and 1 node. It is asked only when a
            move of its is to be played.
    """

    board: chess.Board
    """The position, with the moves that led to it; set by `reset`. Not to be changed."""
    scribe: Scribe
    """Writes the game down; set by `reset`."""

    def __init__(self, opponent: Opponent | None = None) -> None:
        self.observation_space = Box(-6, 6, (8, 8), np.int8)
        self.action_space = Discrete(MOVES)
        self._opponent = opponent or default_opponent().choose
        self._steps_left = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int8], dict[str, Any]]:
        """Starts a game.

        Raises:
            OpeningsError: The opening has a move that is not legal, or ends the game.
        """
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        if opening is None:
            table = opening_table()
            opening = table[self.np_random.integers(len(table))]
        self.board = _set_up(opening)
        self.scribe = Scribe(self.board)
        self._steps_left = HORIZON
        return self._observation(), {}

    def step(self, action: int | np.int64) -> Step:
        """Plays the agent's move, then asks for the opponent's.

        Raises:
            ResetNeeded: The game is over, or none has begun.
            UsageError: The engine is missing, or keeps failing; the board is left as it was.
        """
        return self._play(int(action), self._opponent)

    def repeat(self, action: int | np.int64, outcome: str) -> Step:
        """Plays the agent's move, then the opponent's as it was recorded; needs no engine.

        Raises:
            ResetNeeded: The game is over, or none has begun.
            PoolError: The recorded move is not legal; the board is left as it was.
        """

        def recorded(board: chess.Board) -> chess.Move:
            try:
                return board.parse_uci(outcome)
            except (TypeError, ValueError) as error:
                raise PoolError(
                    f"the recorded move {outcome!r:.40} of the opponent is not legal in "
                    f"{board.fen()}: the record is damaged"
                ) from error

        return self._play(int(action), recorded)

    def _play(self, action: int, opponent: Opponent) -> Step:
        if not self._steps_left:
            raise ResetNeeded("there is no game in progress; call reset() first")
        board, mine = self.board, self.board.turn
        move = decode(action)
        if not board.is_legal(move):
            self._steps_left = 0
            return self._observation(), -1.0, True, False, {}
        info: dict[str, Any] = {}
        board.push(move)
        outcome = _outcome(board)
        if outcome is None:
            try:
                reply = opponent(board)
            except BaseException:
                board.pop()
                raise
            info["outcome"] = reply.uci()
            board.push(reply)
            outcome = _outcome(board)
        over = outcome is not None
        reward = 0.0
        if outcome is not None and outcome.winner is not None:
            reward = 1.0 if outcome.winner == mine else -1.0
        self._steps_left = 0 if over else self._steps_left - 1
        return self._observation(), reward, over, not over and not self._steps_left, info

    def _observation(self) -> NDArray[np.int8]:
        seen = np.zeros(64, np.int8)
        for square, piece in self.board.piece_map().items():
            seen[square] = piece.piece_type if piece.color else -piece.piece_type
        return seen.reshape(8, 8)[::-1].copy()


def default_opponent() -> Stockfish:
    """Returns the opponent of the published games; starts nothing."""
    return Stockfish(None, OPPONENT_SKILL, OPPONENT_LIMIT)


def _outcome(board: chess.Board) -> chess.Outcome | None:
    # Looking for claims takes a millisecond, which most positions can be spared.
    return board.outcome(claim_draw=board.halfmove_clock >= _CLAIMABLE_FROM)


def _set_up(opening: Mapping[str, Any]) -> chess.Board:
    fen, moves = opening.get("fen", chess.STARTING_FEN), opening.get("moves", "")
    try:
        board = chess.Board(fen)
        if not board.is_valid():
            raise ValueError(f"{fen} is no possible position")
        for move in moves.split():
            board.push_san(move)
    except (AttributeError, TypeError, ValueError) as error:
        raise OpeningsError(
            "an opening of chess needs 'moves': legal moves in SAN with spaces between, and may "
            f"have 'fen', where they start: {str(error)[:200]}"
        ) from error
    if _outcome(board) is not None:
        raise OpeningsError(f"an opening of chess must not end the game: {moves[-200:]}")
    return board
