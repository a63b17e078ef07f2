"""The expert of chess: Stockfish at full strength."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from icil.tasks.chess.env import ChessEnv
from icil.tasks.chess.language import Language, word
from icil.tasks.chess.stockfish import Stockfish
from icil.tasks.expert import Expert


class StockfishExpert(Expert[ChessEnv]):
    """Plays what the engine finds.

    A search that is limited by time finds what the machine has time for: to play the same game
    again on another machine, limit it by nodes or depth. Engines are shared by all the experts
    of a process and end with it, so there is nothing to close.

    Args:
        player: The engine and its strength.
        opponent: Whom the demonstrations are played against, for the pool's card.
        language: How moves are written.
    """

    name: str = "stockfish"
    slow: bool = True

    def __init__(self, player: Stockfish, opponent: Stockfish, language: Language) -> None:
        self._player, self._opponent, self._language = player, opponent, language

    @property
    def settings(self) -> Mapping[str, Any]:
        """Both players, with their engines' names and versions.

        Raises:
            UsageError: There is no engine.
        """
        return {**self._player.settings, "opponent": self._opponent.settings}

    def act(self, env: ChessEnv, rng: np.random.Generator) -> str:
        """Returns the engine's move.

        Raises:
            UsageError: There is no engine, or it keeps failing.
        """
        return word(self._player.choose(env.board), env.board, self._language)
