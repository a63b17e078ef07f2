"""The board of tic-tac-toe: nine characters, row by row, each `x`, `o` or `.` (empty).

The x-player begins, so the board alone tells whose turn it is.
"""

from functools import cache
from itertools import combinations

EMPTY = "."
CELLS: tuple[str, ...] = tuple(row + column for row in "abc" for column in "123")
"""The names of the cells, in the order of the board: row letter, column digit."""
LINES: tuple[tuple[int, int, int], ...] = (
    *((row, row + 1, row + 2) for row in (0, 3, 6)),
    *((column, column + 3, column + 6) for column in (0, 1, 2)),
    (0, 4, 8),
    (2, 4, 6),
)

_PARTNERS = tuple(
    tuple((line[i - 2], line[i - 1]) for line in LINES for i in range(3) if line[i] == cell)
    for cell in range(9)
)
"""For each cell, the other two cells of each line through it."""


def side_to_move(board: str) -> str:
    """Returns the mark whose turn it is."""
    return "x" if board.count("x") == board.count("o") else "o"


def free_cells(board: str) -> list[int]:
    """Returns the indices of the empty cells, in row order."""
    return [cell for cell in range(9) if board[cell] == EMPTY]


def place(board: str, cell: int, mark: str) -> str:
    """Returns the board with one more mark on it."""
    return board[:cell] + mark + board[cell + 1 :]


def completes_line(board: str, cell: int) -> bool:
    """Returns whether the mark on a cell makes three in a row."""
    mark = board[cell]
    for one, other in _PARTNERS[cell]:  # noqa: SIM110 - any() takes three times as long
        if board[one] == mark == board[other]:
            return True
    return False


def in_play(board: str) -> bool:
    """Returns whether a text is a board on which the game goes on."""
    return (
        len(board) == 9
        and set(board) <= {"x", "o", EMPTY}
        and board.count("x") - board.count("o") in (0, 1)
        and EMPTY in board
        and not any(board[a] != EMPTY and board[a] == board[b] == board[c] for a, b, c in LINES)
    )


@cache
def early_boards() -> tuple[str, ...]:
    """Returns the 1,090 boards that hold at most four marks; nobody can have won on them."""
    return tuple(
        "".join("x" if c in xs else "o" if c in os else EMPTY for c in range(9))
        for plies in range(5)
        for xs in combinations(range(9), (plies + 1) // 2)
        for os in combinations([c for c in range(9) if c not in xs], plies // 2)
    )
