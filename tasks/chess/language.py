"""The action language of chess: moves in SAN or in UCI, to the letter.

A reply counts only as the language writes the move. In SAN that is what python-chess writes:
`+` on a check, `#` on mate, `=Q` on a promotion, `O-O` for castling, and the origin's file, rank
or both exactly where they are needed. Another wording of a legal move is `invalid`, even where
its meaning is plain, as in LMAct; a well-formed move that is not legal here is `illegal`.
"""

import re
from typing import Literal, get_args

import chess

from icil.tasks.actions import ParsedAction, excerpt
from icil.tasks.chess.moves import encode
from icil.tasks.errors import UsageError

Language = Literal["san", "uci"]

_SAN = re.compile(
    r"(?:[a-h]x)?[a-h](?:[2-7]|[18]=[NBRQ])[+#]?"  # pawns
    r"|[NBRQK][a-h]?[1-8]?x?[a-h][1-8][+#]?"
    r"|O-O(?:-O)?[+#]?"
)
_UCI = re.compile(r"(?:[a-h][1-8]){2}[nbrq]?")


def check_language(language: object) -> None:
    """Raises an error unless there is such a language.

    Raises:
        UsageError: There is none; the message names those there are.
    """
    if language not in get_args(Language):
        known = " or ".join(map(repr, get_args(Language)))
        raise UsageError(f"the setting 'language' of chess is {known}, not {language!r}")


def word(move: chess.Move, board: chess.Board, language: Language) -> str:
    """Returns how a language writes a legal move."""
    return board.san(move) if language == "san" else move.uci()


def words(board: chess.Board, language: Language) -> tuple[str, ...]:
    """Returns all the legal moves, sorted by their wording."""
    return tuple(sorted(word(move, board, language) for move in board.legal_moves))


def read(text: str, board: chess.Board, language: Language) -> ParsedAction:
    """Reads a reply; white space around it is ignored."""
    said = text.strip()
    if not said:
        return ParsedAction(status="empty", reason="the reply is empty")
    if not (_SAN if language == "san" else _UCI).fullmatch(said):
        reason = f"{excerpt(said)} is not a move in {language.upper()}"
        return ParsedAction(status="invalid", reason=reason)
    try:
        move = board.parse_san(said) if language == "san" else board.parse_uci(said)
    except chess.AmbiguousMoveError:
        reason = f"{said!r} may be several moves in this position"
        return ParsedAction(status="invalid", reason=reason)
    except ValueError:
        return ParsedAction(status="illegal", reason=f"{said!r} is not legal in this position")
    right = word(move, board, language)
    if said != right:
        reason = f"the move is written {right!r}, not {said!r}"
        return ParsedAction(status="invalid", reason=reason)
    return ParsedAction(status="ok", action=said, value=encode(move))


def express(action: str, board: chess.Board, language: Language) -> str:
    """Returns an action of either language as this one writes it.

    What is no legal move is returned as it is, for `read` to judge.
    """
    for other in get_args(Language):
        if read(action, board, other).status == "ok":
            if other == language:
                return action
            move = board.parse_san(action) if other == "san" else board.parse_uci(action)
            return word(move, board, language)
    return action
