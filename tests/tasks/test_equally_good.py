"""What experts hold to be equally good: all of it, and what they do among it."""

from collections import Counter
from contextlib import closing

import pytest

from icil.tasks import Expert, make
from icil.tasks.openings import take
from icil.tasks.players import expert_generator
from icil.tasks.seeding import generator
from icil.tasks.tic_tac_toe.board import CELLS
from icil.tasks.tic_tac_toe.expert import worth_of_move


def at(task, **opening):
    env = task.make_env()
    env.reset(options={"opening": opening})
    return env


@pytest.mark.parametrize("name", ["crossword", "gridworld", "tic_tac_toe"])
def test_what_is_drawn_is_always_among_them_and_they_are_all_drawn_or_worth_the_same(name):
    task, drawn = make(name), 0
    with closing(task.make_env()) as env:
        for opening in take(task.openings("evaluation"), 20):
            task.reset(env, opening)
            expert = task.expert()
            good = expert.equally_good(env)
            assert len(set(good)) == len(good) > 0
            assert all(task.parse(action, env).action == action for action in good)
            acts = Counter(expert.act(env, generator("test", draw)) for draw in range(60))
            assert acts.keys() <= set(good)
            drawn += acts.keys() == set(good)
    # Tic-tac-toe's expert takes the first of them, so that it draws all only where there is one.
    assert drawn >= (1 if name == "tic_tac_toe" else 18)


@pytest.mark.parametrize(
    ("player", "target", "good"),
    [
        ((5, 5), (1, 1), {"up", "left"}),
        ((5, 5), (9, 9), {"down", "right"}),
        ((5, 5), (5, 9), {"right"}),
        ((5, 5), (5, 1), {"left"}),
        ((5, 5), (9, 5), {"down"}),
        ((5, 5), (1, 5), {"up"}),
    ],
)
def test_gridworld_has_a_way_or_two(player, target, good):
    task = make("gridworld")
    assert set(task.expert().equally_good(at(task, player=player, target=target))) == good


def test_tic_tac_toe_has_all_the_cells_that_are_worth_as_much():
    task = make("tic_tac_toe")
    corners = {"a1", "a3", "c1", "c3"}
    assert set(task.expert().equally_good(at(task, board="....x...."))) == corners
    # A win at once, and no other.
    assert task.expert().equally_good(at(task, board="xx.oo....")) == ("a3",)
    board = "x...o...."
    good = task.expert().equally_good(at(task, board=board))
    worth = {CELLS[c]: worth_of_move(board, c) for c in range(9) if board[c] == "."}
    assert set(good) == {cell for cell, found in worth.items() if found == max(worth.values())}


def test_crossword_has_all_the_words_that_are_missing():
    task = make("crossword")
    with closing(task.make_env()) as env:
        task.reset(env, task.openings("evaluation")[0])
        before = task.expert().equally_good(env)
        assert {word.partition(": ")[0] for word in before} == set(env.unsolved)
        env.step(before[0])
        assert task.expert().equally_good(env) == before[1:]


def test_an_expert_that_cannot_tell_says_so():
    class Plain(Expert):
        name = "plain"

        def act(self, env, rng):
            return "up"

    task = make("gridworld")
    assert Plain().equally_good(at(task, player=(1, 1), target=(2, 2))) is None
    assert not Plain().plans


def test_those_that_plan_for_seconds_say_so():
    assert {name: make(name).expert().plans for name in ("atari/phoenix", "cheetah")} == {
        "atari/phoenix": True,
        "cheetah": True,
    }
    assert not any(make(name).expert().plans for name in ("crossword", "gridworld", "tic_tac_toe"))


def test_asking_changes_nothing_of_what_is_played():
    task = make("gridworld")
    opening = task.openings("evaluation")[3]
    with closing(task.make_env()) as env:
        task.reset(env, opening)
        expert = task.expert()
        first = expert.act(env, expert_generator(task, opening, 0))
        state = task.state_key(env)
        expert.equally_good(env)
        assert task.state_key(env) == state
        assert expert.act(env, expert_generator(task, opening, 0)) == first
