"""Tic-tac-toe's exact figures, from its own dynamics, and what sampling makes of them."""

from functools import cache

import numpy as np
import pytest

from icil.tasks import demonstrate, sample_action
from icil.tasks.tic_tac_toe import TicTacToe, TicTacToeEnv
from icil.tasks.tic_tac_toe.board import LINES, early_boards

TASK = TicTacToe()


class Scripted(TicTacToeEnv):
    """The game with an opponent who does as told."""

    reply = 0

    def opponent_move(self):
        return self.reply


ENV = Scripted()


@cache
def following(board, cell):
    """What may come of a move, all equally likely: (reward, over, board)."""

    def outcome(reply):
        ENV.reset(options={"opening": {"board": board, "chance_seed": 0}})
        ENV.reply = reply
        _, reward, over, _, _ = ENV.step(cell)
        return reward, over, ENV.board

    others = [i for i in range(9) if board[i] == "." and i != cell]
    outcomes = [outcome(reply) for reply in others or [cell]]
    immediate = outcomes[0][2].count(".") == board.count(".") - 1
    return outcomes[:1] if immediate else outcomes


def chances(board, policy):
    """The agent's chances of winning, losing and drawing, by exact enumeration."""

    @cache
    def at(board):
        cells = policy(board)
        return sum(along(board, cell) for cell in cells) / len(cells)

    def along(board, cell):
        outcomes = following(board, cell)
        return sum(end(*outcome) for outcome in outcomes) / len(outcomes)

    def end(reward, over, board):
        return np.array([reward > 0, reward < 0, reward == 0], float) if over else at(board)

    return at(board) if isinstance(board, str) else np.mean([at(b) for b in board], axis=0)


def any_cell(board):
    return [i for i in range(9) if board[i] == "."]


def expert_cell(board):
    ENV.reset(options={"opening": {"board": board, "chance_seed": 0}})
    action = TASK.expert().act(ENV, np.random.default_rng(0))
    parsed = TASK.parse(action, ENV)
    assert parsed.status == "ok"
    return [parsed.value]


@cache
def perfect_play(board):
    """The result for the side to move, and after how many plies, worked out independently."""
    if any(board[a] == board[b] == board[c] != "." for a, b, c in LINES):
        return -1, 0
    if "." not in board:
        return 0, 0
    after = max(successors(board).values(), key=worth)
    result, plies = perfect_play(after)
    return -result, plies + 1


def successors(board):
    mark = "xo"[board.count("x") - board.count("o")]
    return {i: board[:i] + mark + board[i + 1 :] for i in any_cell(board)}


def worth(after):
    """A board to whoever made it: first the result, then a fast win or a slow loss."""
    result, plies = perfect_play(after)
    return -result, result * plies


def test_two_random_players_from_the_empty_board():
    assert chances("." * 9, any_cell) == pytest.approx([0.5849, 0.2881, 0.1270], abs=5e-5)


def test_random_player_over_all_openings():
    win, loss, _ = chances(early_boards(), any_cell)
    assert win - loss == pytest.approx(0.1547, abs=5e-5)


def test_expert_over_all_openings():
    win, loss, _ = chances(early_boards(), expert_cell)
    assert win - loss == pytest.approx(0.8809, abs=5e-5)


def test_expert_is_optimal_fast_and_takes_the_first_of_equals():
    boards, todo = set(), ["." * 9]
    while todo:
        board = todo.pop()
        if board in boards or perfect_play(board)[1] == 0:
            continue
        boards.add(board)
        todo.extend(successors(board).values())
    assert len(boards) == 4520
    for board in boards:
        worths = {cell: worth(after) for cell, after in successors(board).items()}
        assert expert_cell(board) == [max(worths, key=worths.get)]


def test_the_expert_never_loses_to_itself():
    board = "." * 9
    while perfect_play(board)[1]:
        board = successors(board)[expert_cell(board)[0]]
    assert perfect_play(board) == (0, 0)


def test_sampled_on_evaluation_openings():
    rng, env, source = np.random.default_rng(3), TASK.make_env(), TASK.openings("evaluation")
    openings = [source[index] for index in range(source.distinct)]
    boards = [opening.state["board"] for opening in openings]
    random, expert = [], []
    for opening in openings:
        expert.append(demonstrate(TASK, opening, "d").total)
        TASK.reset(env, opening)
        over = False
        while not over:
            action = sample_action(TASK.legal_actions(env), rng)
            _, reward, over, _, _ = env.step(TASK.parse(action, env).value)
        random.append(reward)
    for returns, policy in ((random, any_cell), (expert, expert_cell)):
        win, loss, _ = chances(boards, policy)
        error = np.std(returns) / len(returns) ** 0.5
        assert np.mean(returns) == pytest.approx(win - loss, abs=4 * error)
