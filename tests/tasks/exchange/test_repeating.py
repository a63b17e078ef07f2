"""Tic-tac-toe with an opponent that repeats what was recorded."""

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from icil.tasks import PoolError, make
from icil.tasks.openings import Opening

TASK = make("tic_tac_toe")


@pytest.fixture
def game():
    env = TASK.make_env()
    state = {"board": "xo.......", "chance_seed": 3}
    TASK.reset(env, Opening(split="demonstration", index=0, state=state))
    return env


def test_the_opponent_repeats_itself(game):
    done = TASK.step(game, 3, "c3")
    assert (game.board, done.outcome, done.reward, done.terminated) == ("xo.x....o", "c3", 0, False)
    done = TASK.step(game, 6, None)
    assert (done.reward, done.terminated, done.outcome) == (1, True, None)


def test_no_answer_is_played_where_the_game_is_over(game):
    TASK.step(game, 3, "c3")
    done = TASK.step(game, 6, "c2")
    assert (game.board, done.outcome) == ("xo.x..x.o", None)
    with pytest.raises(ResetNeeded):
        game.repeat(7, "c2")


@pytest.mark.parametrize("outcome", ["a1", "b1", "c4", "", 8, ["c3"], {"c3": 1}])
def test_a_move_that_cannot_be_is_refused_and_leaves_the_game_as_it_was(outcome, game):
    with pytest.raises(PoolError, match=r"is not possible after b1 on xo\.{7}: "):
        TASK.step(game, 3, outcome)
    assert game.board == "xo......."
    assert TASK.step(game, 3, "c3").outcome == "c3"


def test_ordinary_games_record_no_outcome(game):
    assert TASK.step(game, 3).outcome is None
    seen, *_ = game.step(int(np.flatnonzero(np.array(list(game.board)) == ".")[0]))
    assert (seen > 0).sum() >= 5
