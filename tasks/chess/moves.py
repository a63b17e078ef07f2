"""Moves as numbers, for a gymnasium action space: from and to squares and the promotion."""

import chess

MOVES = 64 * 64 * 5
"""How many numbers there are; most are no legal move in any one position."""

_PROMOTIONS = (None, chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN)


def encode(move: chess.Move) -> int:
    """Returns a move's number."""
    promotion = _PROMOTIONS.index(move.promotion)
    return move.from_square + 64 * (move.to_square + 64 * promotion)


def decode(number: int) -> chess.Move:
    """Returns the move that a number in [0, `MOVES`) stands for."""
    rest, origin = divmod(number, 64)
    promotion, target = divmod(rest, 64)
    return chess.Move(origin, target, _PROMOTIONS[promotion])
