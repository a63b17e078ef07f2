"""What the tests of exchange share: folders as LMAct publishes them, and the command."""

import io
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import chess
import chess.pgn
import numpy as np
import pytest

from icil.harness.cli import main
from icil.tasks import Demonstration, load_pool_for, make, replay


class Said(NamedTuple):
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def icil(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line within this process, as the installed command calls it."""

    def icil(*args: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["icil", *map(str, args)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        return Said(exit.value.code or 0, *capfd.readouterr())

    return icil


def bag(records: Iterable[bytes]) -> bytes:
    """A bag file: the records, then where each of them ends."""
    out, ends = io.BytesIO(), []
    for record in records:
        out.write(record)
        ends.append(out.tell())
    return out.getvalue() + struct.pack(f"<{len(ends)}q", *ends)


@pytest.fixture
def make_bag() -> Callable[[Iterable[bytes]], bytes]:
    return bag


class LMAct:
    """A folder of LMAct's data that a test fills.

    Its methods write one demonstration each, and return its folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, world: str, **streams: Iterable[bytes | str]) -> Path:
        """Writes a demonstration: a bag for each stream."""
        number = len(list((self.folder / world).glob("demonstration_*")))
        folder = self.folder / world / f"demonstration_{number}"
        folder.mkdir(parents=True)
        for stream, records in streams.items():
            content = bag(r.encode() if isinstance(r, str) else r for r in records)
            (folder / f"{stream}.bag").write_bytes(content)
        return folder

    def tic_tac_toe(self, boards: Sequence[str], actions: Sequence[str]) -> Path:
        """Boards are nine characters, `x`, `o` and a space or a dot."""
        cells = [np.array(list(b.replace(".", " ")), "<U1").reshape(3, 3) for b in boards]
        return self.write(
            "tic_tac_toe",
            observations_board=[board.tobytes() for board in cells],
            observations_txt=["\n----------\n".join(" | ".join(r) for r in b) for b in cells],
            actions_txt=actions,
        )

    def played(self, board: str) -> Path:
        """A game of tic-tac-toe against its opponent, who begins every game with the same seed."""
        cells, rng = np.array(list(board.replace(".", " "))), np.random.default_rng(0)
        mine, other = ("x", "o") if board.count(".") % 2 else ("o", "x")
        rows = np.arange(9).reshape(3, 3)
        lines = [*rows, *rows.T, np.diag(rows), np.diag(rows[::-1])]
        names = [row + column for row in "abc" for column in "123"]
        boards, actions = [], []

        def over() -> bool:
            won = any((cells[line] == mark).all() for line in lines for mark in "xo")
            return won or " " not in cells

        while not over():
            boards.append("".join(cells))
            free = np.flatnonzero(cells == " ")
            actions.append(names[free[0]])
            cells[free[0]] = mine
            if not over():
                answer = rng.choice([names[cell] for cell in np.flatnonzero(cells == " ")])
                cells[names.index(answer)] = other
        return self.tic_tac_toe(boards, actions)

    def grid(self, players: Sequence[Any], target: Any, actions: Sequence[str]) -> Path:
        """Cells are rows and columns, walls included."""
        return self.write(
            "grid_world_12x12",
            observations_player=[np.array(player, np.int64).tobytes() for player in players],
            observations_target=[np.array(target, np.int64).tobytes()] * len(players),
            observations_coords=[str({"player": p, "target": target}) for p in players],
            actions_txt=actions,
        )

    def chess(self, opening: str, moves: Sequence[str], fen: str | None = None) -> Path:
        """Moves in SAN, the agent's and the opponent's by turns; the agent's come first."""
        game = chess.pgn.Game()
        if fen:
            game.setup(fen)
        board, node = game.board(), game.end()
        games, actions = [], []
        for move in opening.split():
            node = node.add_main_variation(board.push_san(move))
        for number, move in enumerate(moves):
            if number % 2 == 0:
                games.append(str(game))
                actions.append(move)
            node = node.add_main_variation(board.push_san(move))
        return self.write("chess", observations_pgn=games, actions_san=actions)

    def crossword(self, words: Sequence[Any], headings: bool = False) -> Path:
        """Words are `[direction, row, column, word, clue]`, offered in this order.

        The clues are numbered in this order too, unlike ours.
        """
        lines = [[" "] * 36 for _ in range(15)]
        for direction, row, column, word, _ in words:
            for i in range(len(word)):
                r, c = row + i * (direction == "D"), column + i * (direction == "A")
                lines[2 * r + 1][5 * c + 3] = "_"
        grid = "\n".join("".join(line) for line in lines)
        names = [f"{word[0]}{number}" for number, word in enumerate(words, start=1)]
        across = [f"{n}: {w[4]}" for n, w in zip(names, words, strict=True) if w[0] == "A"]
        down = [f"{n}: {w[4]}" for n, w in zip(names, words, strict=True) if w[0] == "D"]
        if headings:
            across = ["Across:", *(line[1:].replace(":", ".", 1) for line in across)]
            down = ["Down:", *(line[1:].replace(":", ".", 1) for line in down)]
        clues = "\n".join([*across, *down])
        solution = [
            f"{name}: {word} ({row}, {column})"
            for name, (_, row, column, word, _) in zip(names, words, strict=True)
        ]
        return self.write(
            "crossword",
            observations_puzzle=[
                "\n\n".join([grid, clues, "Solution:\n" + "\n".join(solution[step:])])
                for step in range(len(words))
            ],
            actions_txt=[line.partition(" (")[0] for line in solution],
        )

    def cheetah(self, demonstration: Demonstration, noise: float = 0.0, steps: int = 100) -> Path:
        """A run of ours, with numbers that are a little off."""
        rng, states = np.random.default_rng(1), []
        for env, _ in islice(replay(make("cheetah"), demonstration), steps):
            state = env.state + rng.uniform(-noise, noise, 17)
            states.append(str({"position": state[:8].tolist(), "velocity": state[8:].tolist()}))
        return self.write(
            "dm_control_cheetah_run",
            observations_dict=states,
            actions_txt=[step.action for step in demonstration.steps[:steps]],
        )


@pytest.fixture
def lmact(tmp_path: Path) -> LMAct:
    return LMAct(tmp_path / "lm_act")


@pytest.fixture(scope="session")
def shipped() -> Callable[[str], tuple[Demonstration, ...]]:
    """The demonstrations that ship for a task."""
    return cache(lambda task: load_pool_for(make(task)).demonstrations)
