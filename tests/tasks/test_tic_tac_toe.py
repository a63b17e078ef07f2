"""Tic-tac-toe: dynamics, openings, language and demonstrations."""

import json
import warnings
from collections import Counter

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from icil.tasks import OpeningsError, UnknownNameError, demonstrate, make, render
from icil.tasks.tic_tac_toe import TicTacToe, TicTacToeEnv
from icil.tasks.tic_tac_toe.board import CELLS, early_boards

TASK = TicTacToe()


def placed(board, chance_seed=0):
    env = TASK.make_env()
    env.reset(options={"opening": {"board": board, "chance_seed": chance_seed}})
    return env


def play(env, cell):
    return env.step(TASK.parse(cell, env).value)


def test_is_registered():
    assert isinstance(make("tic_tac_toe"), TicTacToe)
    assert set(TASK.image_formats) <= set(TASK.formats)


def test_keeps_to_gymnasium():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(TicTacToeEnv(), skip_render_check=True)


def test_reset_is_a_function_of_the_seed():
    def beginnings(env):
        for seed in range(30):
            first, _ = env.reset(seed=seed)
            second, *_ = env.step(np.argmin(first))
            yield tuple(first.tolist()), tuple(second.tolist())

    games = list(beginnings(TicTacToeEnv()))
    assert games == list(beginnings(TicTacToeEnv()))
    assert len(set(games)) > 15


def test_the_seed_fixes_the_opponent_of_an_opening_without_chance_seed():
    env, boards = TicTacToeEnv(), []
    for seed in (1, 1, 2, 3, 4, 5):
        env.reset(seed=seed, options={"opening": {"board": "." * 9}})
        env.step(4)
        boards.append(env.board)
    assert boards[0] == boards[1]
    assert len(set(boards)) > 1


@pytest.mark.parametrize(
    ("board", "cell", "after", "mark"),
    [
        ("xx.oo....", "a3", "xxxoo....", "x"),
        ("xx.oo.x..", "b3", "xx.ooox..", "o"),
        ("x.o.xo...", "c3", "x.o.xo..x", "x"),
        ("xoxxoo.xo", "c1", "xoxxooxxo", "x"),
    ],
)
def test_a_line_wins(board, cell, after, mark):
    env = placed(board)
    assert env.mark == mark
    assert play(env, cell)[1:4] == (1.0, True, False)
    assert env.board == after
    with pytest.raises(ResetNeeded):
        env.step(8)


def test_a_full_board_without_a_line_is_a_draw():
    env = placed("xoxxoxo.o")
    assert play(env, "c2")[1:4] == (0.0, True, False)


def test_the_opponent_may_fill_the_board():
    env = placed("xoxxoxo..")
    assert env.mark == "o"
    assert play(env, "c3")[1:4] == (0.0, True, False)
    assert env.board == "xoxxoxoxo"


def test_the_opponent_may_win():
    ends = Counter(play(placed("xx.oo....", seed), "c3")[1:3] for seed in range(200))
    assert set(ends) == {(-1.0, True), (0.0, False)}
    assert ends[-1.0, True] == pytest.approx(50, abs=5 * (200 * 0.25 * 0.75) ** 0.5)


def test_the_opponent_takes_each_free_cell_equally_often():
    replies, seeds = Counter(), 4000
    for seed in range(seeds):
        env = placed("x...o....", seed)
        play(env, "a2")
        replies[next(i for i, mark in enumerate(env.board) if mark == "o" and i != 4)] += 1
    assert set(replies) == {2, 3, 5, 6, 7, 8}
    error = (seeds * 1 / 6 * 5 / 6) ** 0.5
    assert all(abs(count - seeds / 6) < 5 * error for count in replies.values())


def test_a_taken_cell_loses_in_the_bare_env():
    env = placed("x........")
    assert env.step(0)[1:4] == (-1.0, True, False)
    assert env.board == "x........"


@pytest.mark.parametrize(
    "opening",
    [
        {},
        {"board": None},
        {"board": "x" * 8},
        {"board": "x" + "." * 9},
        {"board": "o........"},
        {"board": "xx......."},
        {"board": "X........"},
        {"board": "xxxoo...."},
        {"board": "xoxxoxoxo"},
        {"board": list("x........")},
    ],
)
def test_refuses_openings_that_cannot_be(opening):
    with pytest.raises(OpeningsError):
        TicTacToeEnv().reset(options={"opening": opening})


def test_splits_are_disjoint_and_cover_everything():
    env, keys = TASK.make_env(), {}
    for split in ("demonstration", "evaluation"):
        source = TASK.openings(split)
        assert source.distinct == 545
        keys[split] = set()
        for index in range(source.distinct):
            TASK.reset(env, source[index])
            keys[split].add(TASK.state_key(env))
    assert not keys["demonstration"] & keys["evaluation"]
    both = keys["demonstration"] | keys["evaluation"]
    assert Counter(9 - board.count(".") for board in both) == {0: 1, 1: 9, 2: 72, 3: 252, 4: 756}


def test_openings_are_json_and_stay_the_same():
    source = TASK.openings("demonstration")
    assert json.loads(json.dumps(source[0].state)) == source[0].state
    assert source[0] == TASK.openings("demonstration")[0]
    again = source[source.distinct].state
    assert again["board"] == source[0].state["board"]
    assert again["chance_seed"] != source[0].state["chance_seed"]
    with pytest.raises(OpeningsError):
        TASK.openings("evaluation")[545]


def test_the_language():
    assert CELLS == ("a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3")
    env = placed("x...o....")
    assert TASK.legal_actions(env) == ("a2", "a3", "b1", "b3", "c1", "c2", "c3")
    for cell in TASK.legal_actions(env):
        parsed = TASK.parse(f" {cell}\n", env)
        assert (parsed.status, parsed.action) == ("ok", cell)
        assert CELLS[parsed.value] == cell


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("a1", "illegal"),
        ("\nb2 ", "illegal"),
        ("A2", "invalid"),
        ("'a2'", "invalid"),
        ('"a1"', "invalid"),
        ("a4", "invalid"),
        ("d1", "invalid"),
        ("2a", "invalid"),
        ("a 2", "invalid"),
        ("a2.", "invalid"),
        ("a2 a3", "invalid"),
        ("go up", "invalid"),
        ("a２", "invalid"),  # noqa: RUF001
        ("а2", "invalid"),  # noqa: RUF001
        ("\ud800", "invalid"),
        ("junk " * 2000, "invalid"),
    ],
)
def test_says_what_is_wrong_with_a_reply(text, status):
    parsed = TASK.parse(text, placed("x...o...."))
    assert (parsed.status, parsed.action, parsed.value) == (status, None, None)
    assert 0 < len(parsed.reason) < 500


def test_text_format():
    assert TASK.observe(placed("x..o..x.."), "ascii").text == "x . .\no . .\nx . ."
    with pytest.raises(UnknownNameError, match="rgb"):
        TASK.observe(placed("." * 9), "rgbb")


def test_observing_changes_nothing():
    watched, unwatched = placed("." * 9, 7), placed("." * 9, 7)
    over = False
    while not over:
        for format in TASK.formats:
            TASK.observe(watched, format)
        cell = TASK.legal_actions(watched)[0]
        (seen, *rest), (unseen, *others) = play(watched, cell), play(unwatched, cell)
        assert (seen.tolist(), rest) == (unseen.tolist(), others)
        over = rest[1]


def test_every_format_tells_all_boards_apart():
    env, boards = TASK.make_env(), early_boards()
    seen = {format: set() for format in TASK.formats}
    for board in boards:
        env.reset(options={"opening": {"board": board, "chance_seed": 0}})
        assert TASK.state_key(env) == board
        seen["ascii"].add(TASK.observe(env, "ascii").text)
        seen["rgb"].add(TASK.observe(env, "rgb").image.tobytes())
    assert [len(s) for s in seen.values()] == [len(boards)] * 2


def test_only_pictures_draw(monkeypatch):
    monkeypatch.setattr("icil.tasks.tic_tac_toe.task.as_picture", None)
    TASK.observe(placed("." * 9), "ascii")


def test_opening_and_actions_determine_the_episode():
    opening = TASK.openings("evaluation")[3]
    episodes = []
    for seed in (1, 2):
        env = TASK.make_env()
        env.reset(seed=seed)
        TASK.reset(env, opening)
        steps, over = [], False
        while not over:
            observation, *rest = play(env, TASK.legal_actions(env)[-1])
            steps.append((observation.tolist(), *rest))
            over = rest[1]
        episodes.append(steps)
    assert episodes[0] == episodes[1]


def test_no_game_outlasts_the_horizon():
    for seed in range(50):
        env, moves, over = placed("." * 9, seed), 0, False
        while not over:
            over, moves = play(env, TASK.legal_actions(env)[0])[2], moves + 1
        assert moves <= TASK.horizon


@pytest.mark.parametrize("format", TASK.formats)
def test_demonstrations_render_in_every_format(format):
    for index in range(8):
        opening = TASK.openings("demonstration")[index]
        demonstration = demonstrate(TASK, opening, "d")
        assert demonstration == demonstrate(TASK, opening, "d")
        assert demonstration.terminated
        seen = [shown.observation for shown in render(TASK, demonstration, format)]
        assert len(seen) == len(demonstration.steps) <= TASK.horizon
        assert all((o.image is not None) == (format in TASK.image_formats) for o in seen)


def test_everybody_plays_the_same_episodes():
    states = [TASK.openings(split)[0].state for split in ("demonstration", "evaluation")]
    assert states == [
        {"board": ".o.x..o.x", "chance_seed": 1024132588},
        {"board": "....ox...", "chance_seed": 275407431},
    ]
    env = placed(".........", 1)
    for cell in ("b2", "a2"):
        play(env, cell)
    assert env.board == "ox..x..o."
