"""LMAct's worlds: what the streams of a demonstration tell, and how they are ours.

Its tic-tac-toe, grid world and cheetah are told in the same words and coordinates as ours; its
crossword numbers its clues itself. Opponents' moves are read off successive observations. As
nothing is recorded after the last action, the opponent's answer to it, where there was one, is
known by having ended the game; of several such answers the first stands for all, as they pay the
same and what comes after them is never shown.
"""

import ast
import io
import re
import struct
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from icil.tasks.errors import PoolError
from icil.tasks.exchange.bag import find_bag, read_bag
from icil.tasks.exchange.recording import Recording, UntrueError, close
from icil.tasks.openings import Opening
from icil.tasks.seeding import seed

T = TypeVar("T")


class LMActRecording(Recording):
    """A demonstration of one of its worlds.

    Args:
        folder: Its folder.
        number: Its place among the demonstrations.

    Raises:
        PoolError: A stream is missing, damaged, or of another length than the others.
    """

    actions: tuple[str, ...] = ("actions_txt",)
    """The streams that may hold the actions; the first that is there does."""

    def __init__(self, folder: Path, number: int) -> None:
        self.id, self._folder, self._number = folder.name, folder, number
        self.length = 0
        self._actions = self.read(_text, *self.actions)

    def read(self, decode: Callable[[bytes], T], *streams: str) -> list[T]:
        """Returns the records of a stream.

        Args:
            decode: Makes something of a record, or raises a `ValueError`.
            streams: Its name; of several, the first that is there is read.
        """
        path = next(filter(None, (find_bag(self._folder, stream) for stream in streams)), None)
        if path is None:
            raise PoolError(f"{self._folder} has no {streams[0]}.bag; is it of another world?")
        records = read_bag(path)
        if not records:
            raise PoolError(f"{path} is empty")
        if self.length and len(records) != self.length:
            raise PoolError(f"{path} has {len(records)} records for {self.length} actions")
        self.length = len(records)
        found = []
        for number, record in enumerate(records):
            try:
                found.append(decode(record))
            except ValueError as error:
                raise PoolError(f"{path}: record {number}: {error}") from error
        return found

    def opening(self) -> Opening:
        """Returns where it starts."""
        return Opening(split="demonstration", index=self._number, state=self.state())

    @abstractmethod
    def state(self) -> Mapping[str, Any]:
        """Returns the opening's state."""

    def action(self, step: int, env: Any) -> str:
        """Returns an action."""
        return self._actions[step]


class TicTacToeRecording(LMActRecording):
    """Boards of nine cells, row by row."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder, number)
        self._boards = self.read(_board, "observations_board")

    def state(self) -> Mapping[str, Any]:
        """Returns the first board; the chances only count where somebody plays on from there."""
        return {"board": self._boards[0], "chance_seed": seed("lmact", "tic_tac_toe", self.id)}

    def compare(self, step: int, env: Any) -> None:
        """Compares the boards."""
        if env.board != self._boards[step]:
            raise UntrueError(f"step {step}: the board is {env.board}, not {self._boards[step]}")

    def outcome(self, step: int, env: Any, value: int) -> str | None:
        """Returns the opponent's cell; None if the agent's mark ends the game."""
        from icil.tasks.tic_tac_toe.board import CELLS, EMPTY, completes_line, free_cells, place

        board = place(env.board, value, env.mark)
        if completes_line(board, value) or EMPTY not in board:
            return None
        answers = {cell: place(board, cell, "xo"[env.mark == "x"]) for cell in free_cells(board)}
        if step + 1 < self.length:
            fit = [cell for cell, after in answers.items() if after == self._boards[step + 1]]
        else:
            fit = [c for c, after in answers.items() if completes_line(after, c)] or [
                c for c, after in answers.items() if EMPTY not in after
            ]
        if not fit:
            what = f"gives {self._boards[step + 1]}" if step + 1 < self.length else "ends the game"
            raise UntrueError(f"step {step}: no answer of the opponent to {board} {what}")
        return CELLS[fit[0]]


class GridworldRecording(LMActRecording):
    """Rows and columns of player and target, as ours: walls included, from 0 at the top left."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder, number)
        self._players = self.read(_cell, "observations_player")
        self._targets = self.read(_cell, "observations_target")

    def state(self) -> Mapping[str, Any]:
        """Returns the first cells."""
        return {"player": list(self._players[0]), "target": list(self._targets[0])}

    def compare(self, step: int, env: Any) -> None:
        """Compares the cells."""
        ours, recorded = (env.player, env.target), (self._players[step], self._targets[step])
        if ours != recorded:
            raise UntrueError(f"step {step}: player and target are at {ours}, not {recorded}")


class CheetahRecording(LMActRecording):
    """Positions and velocities; how far it ran is not recorded."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder, number)
        self._states = self.read(_body, "observations_dict")

    def state(self) -> Mapping[str, Any]:
        """Returns the first position and velocity."""
        return dict(self._states[0])

    def compare(self, step: int, env: Any) -> None:
        """Compares position and velocity, with a tolerance."""
        recorded = np.concatenate([self._states[step][key] for key in ("position", "velocity")])
        if recorded.shape != env.state.shape:
            raise UntrueError(f"step {step}: {recorded.size} numbers, not {env.state.size}")
        if not close(env.state, recorded):
            off = np.abs(env.state - recorded).max()
            raise UntrueError(f"step {step}: position and velocity differ by up to {off:.3g}")


class ChessRecording(LMActRecording):
    """Games as PGN, each with all the moves so far."""

    actions = ("actions_san", "actions_txt", "actions_uci")

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder, number)
        games = self.read(_text, "observations_pgn")
        self._moves = [_moves(game) for game in games]
        try:
            self._state = _opening(games[0])
        except ValueError as error:
            raise PoolError(f"{folder}: observations_pgn: record 0: {error}") from error

    def state(self) -> Mapping[str, Any]:
        """Returns the moves of the first record."""
        return self._state

    def compare(self, step: int, env: Any) -> None:
        """Compares the moves so far."""
        ours = _moves(env.scribe.pgn())
        if ours != self._moves[step]:
            raise UntrueError(f"step {step}: the moves so far are not those of the PGN")

    def outcome(self, step: int, env: Any, value: int) -> str | None:
        """Returns the opponent's move in UCI; None if the agent's move ends the game."""
        from icil.tasks.chess.moves import decode

        board = env.board.copy()
        board.push(decode(value))
        if step + 1 == self.length:
            return self._last(step, board)
        try:
            (reply,) = self._moves[step + 1][len(self._moves[step]) + 1 :]
            return str(board.parse_san(reply).uci())
        except ValueError as error:
            raise UntrueError(f"step {step}: the next PGN has no answer to this move") from error

    @staticmethod
    def _last(step: int, board: Any) -> str | None:
        from icil.tasks.chess.env import HORIZON

        if board.outcome(claim_draw=True) is not None:
            return None
        endings: dict[str, Any] = {}
        for reply in board.legal_moves:
            board.push(reply)
            if ending := board.outcome(claim_draw=True):
                endings[reply.uci()] = ending.winner
            board.pop()
        if len(set(endings.values())) != 1 or step + 1 >= HORIZON:
            raise UntrueError(f"step {step}: nothing tells how the game went on after this move")
        return min(endings)


class CrosswordRecording(LMActRecording):
    """Puzzles with the words that are not found yet."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder, number)
        self._puzzles = self.read(_puzzle, "observations_puzzle")
        self._words = self._puzzles[0].words
        missing = sorted(self._words.keys() - self._puzzles[0].clues.keys())
        if missing:
            raise PoolError(f"{folder}: observations_puzzle has no clue of {missing[0]}")

    def state(self) -> Mapping[str, Any]:
        """Returns the words with their clues."""
        clues, words = self._puzzles[0].clues, self._words.items()
        return {"words": [[n[0], *place.start, place.word, clues[n]] for n, place in words]}

    def action(self, step: int, env: Any) -> str:
        """Returns a word at the clue that is ours for it."""
        from icil.tasks.crossword.language import Said, read

        said = read(self._actions[step])
        if said is None or said.clue not in self._words:
            return self._actions[step]
        return str(Said(self._names(env)[said.clue], said.word))

    def compare(self, step: int, env: Any) -> None:
        """Compares which words are still to be found."""
        names = self._names(env)
        recorded = {names.get(name, name) for name in self._puzzles[step].words}
        if recorded != set(env.unsolved):
            raise UntrueError(f"step {step}: other words are still to be found than recorded")

    def _names(self, env: Any) -> Mapping[str, str]:
        """Returns its names of the clues to ours."""
        ours = {(p.direction, p.start): name for name, p in env.puzzle.entries.items()}
        return {name: ours[name[0], place.start] for name, place in self._words.items()}


class _Word(NamedTuple):
    word: str
    start: tuple[int, int]


class _Puzzle(NamedTuple):
    clues: Mapping[str, str]
    words: Mapping[str, _Word]


def _text(record: bytes) -> str:
    return record.decode()


def _board(record: bytes) -> str:
    board = record.decode("utf-32-le").replace(" ", ".")
    if len(board) != 9 or not set(board) <= set("xo."):
        raise ValueError(f"{board!r} is no board of tic-tac-toe")
    return board


def _cell(record: bytes) -> tuple[int, int]:
    try:
        row, column = struct.unpack("<2q", record)
    except struct.error as error:
        raise ValueError(f"{len(record)} bytes are no row and column") from error
    return row, column


def _body(record: bytes) -> dict[str, list[float]]:
    try:
        found = ast.literal_eval(record.decode())
        body = {key: [float(number) for number in found[key]] for key in ("position", "velocity")}
    except (KeyError, MemoryError, RecursionError, SyntaxError, TypeError) as error:
        raise ValueError("this is no position and velocity") from error
    return body


_TAG = re.compile(r"^\[.*\]$", re.MULTILINE)
_NUMBER = re.compile(r"\d+\.+")
_RESULTS = {"*", "1-0", "0-1", "1/2-1/2"}


def _moves(game: str) -> list[str]:
    words = _NUMBER.sub(" ", _TAG.sub("", game)).split()
    return [word for word in words if word not in _RESULTS]


def _opening(text: str) -> Mapping[str, Any]:
    import chess
    import chess.pgn

    class Strict(chess.pgn.GameBuilder[chess.pgn.Game]):
        def handle_error(self, error: Exception) -> None:
            raise error

    game = chess.pgn.read_game(io.StringIO(text), Visitor=Strict)
    if game is None:
        raise ValueError("this is no game in PGN")
    board = game.board()
    start = board.fen()
    state = {"moves": " ".join(board.san_and_push(move) for move in game.mainline_moves())}
    return state if start == chess.STARTING_FEN else {"fen": start, **state}


_GRID = 554
"""Characters of the drawn grid: 15 lines of 36, with line breaks between."""
_HEADING = re.compile(r"\W*(across|down)\W*", re.IGNORECASE)
_CLUE = re.compile(r"\W*(A|D|across|down)?\s?(\d+)\W?\s+(\S.*?)\s*", re.IGNORECASE)
_SOLUTION = re.compile(r"([AD]\d+): ([A-Za-z]+) \((\d+), ?(\d+)\)")


def _puzzle(record: bytes) -> _Puzzle:
    grid, *rest = record.decode().split("\n\n")
    if len(grid) != _GRID or len(rest) < 2 or not rest[1].startswith("Solution:"):
        raise ValueError("this is no grid, clues and solution of a crossword")
    clues, direction = {}, ""
    for line in rest[0].splitlines():
        if heading := _HEADING.fullmatch(line):
            direction = heading[1][0].upper()
        elif clue := _CLUE.fullmatch(line):
            clues[(clue[1] or direction)[:1].upper() + clue[2]] = clue[3]
    words = {
        name: _Word(word.upper(), (int(row), int(column)))
        for name, word, row, column in _SOLUTION.findall(rest[1])
    }
    return _Puzzle(clues, words)
