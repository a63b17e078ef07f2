"""Chess against Stockfish, from named openings."""

from icil.tasks.chess.env import ChessEnv
from icil.tasks.chess.expert import StockfishExpert
from icil.tasks.chess.stockfish import Stockfish
from icil.tasks.chess.task import Chess

__all__ = ["Chess", "ChessEnv", "Stockfish", "StockfishExpert"]
