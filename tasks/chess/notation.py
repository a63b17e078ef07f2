"""The looks of chess as text: a board of characters, FEN, and the game as PGN."""

import chess


def as_characters(board: chess.Board) -> str:
    """Returns 8 lines of 8 squares with spaces between, rank 8 first; White's are capitals."""
    return str(board)


def as_fen(board: chess.Board) -> str:
    """Returns the FEN; as in LMAct, every double step of a pawn leaves its square to be seen."""
    return board.fen(en_passant="fen")


class Scribe:
    """Writes a game down, each move once, and only when the game is asked for.

    Args:
        board: The game's board, which may have moves on it already.
    """

    def __init__(self, board: chess.Board) -> None:
        self._game = board
        self._follower = board.root()
        self.start = "" if self._follower.fen() == chess.STARTING_FEN else self._tags()
        """The tags of a game that did not start from the initial position, else nothing."""
        self._text = ""

    def pgn(self) -> str:
        """Returns the moves of the game so far as one line of PGN, which ends with `*`.

        Tags are written only where a game did not start from the initial position.
        """
        follower, pieces = self._follower, [self._text]
        for move in self._game.move_stack[len(follower.move_stack) :]:
            number = follower.fullmove_number
            if follower.turn == chess.WHITE:
                pieces.append(f"{number}. ")
            elif not follower.move_stack:
                pieces.append(f"{number}... ")
            pieces.append(f"{follower.san_and_push(move)} ")
        self._text = "".join(pieces)
        return f"{self.start}{self._text}*"

    def _tags(self) -> str:
        return f'[SetUp "1"]\n[FEN "{self._follower.fen()}"]\n\n'
