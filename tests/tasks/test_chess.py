"""Chess: dynamics, openings, formats, demonstrations; with a scripted opponent or none."""

import json
import math
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import chess
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from icil.tasks import (
    Demonstration,
    Opening,
    OpeningsError,
    PoolError,
    Step,
    UnknownNameError,
    UsageError,
    demonstrate,
    render,
)
from icil.tasks.chess import Chess, ChessEnv
from icil.tasks.chess.env import HORIZON
from icil.tasks.chess.making import main
from icil.tasks.chess.moves import MOVES, decode, encode
from icil.tasks.chess.table import TABLE, opening_table
from icil.tasks.conformance import check_task
from icil.tasks.demonstrations import state_digest

TASK = Chess(expert_limit={"depth": 4})


def placed(moves="", replies=(), **opening):
    """A game in which the opponent plays what is given, in UCI, and then must not be asked."""
    left = iter(replies)
    env = ChessEnv(lambda board: board.parse_uci(next(left)))
    env.reset(options={"opening": {"moves": moves, **opening}})
    return env


def play(env, move):
    return env.step(TASK.parse(move, env).value)


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setenv("ICIL_STOCKFISH", "/nowhere/stockfish")


# The bare environment


def test_keeps_to_gymnasium_with_no_engine(no_engine):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(ChessEnv(), skip_render_check=True)


def test_reset_without_an_opening_is_a_function_of_the_seed():
    def boards():
        env = ChessEnv()
        for seed in range(20):
            env.reset(seed=seed)
            yield env.board.fen()

    assert list(boards()) == list(boards())
    assert len(set(boards())) == 20


def test_observations_are_the_board():
    seen, info = placed("e4").reset(options={"opening": {"moves": "e4"}})
    assert (seen.dtype, seen.shape, info) == (np.int8, (8, 8), {})
    assert seen[0].tolist() == [-4, -2, -3, -5, -6, -3, -2, -4]
    assert (seen[4, 4], seen[6, 4], seen[7, 4]) == (1, 0, 6)


def test_a_step_is_the_move_and_the_answer():
    env = placed("e4 e5", ["b8c6"])
    _, reward, terminated, truncated, info = play(env, "Nf3")
    assert (reward, terminated, truncated, info) == (0.0, False, False, {"outcome": "b8c6"})
    assert [move.uci() for move in env.board.move_stack] == ["e2e4", "e7e5", "g1f3", "b8c6"]


@pytest.mark.parametrize(
    ("opening", "move", "replies", "reward"),
    [
        ({"moves": "f3 e5 g4"}, "Qh4#", [], 1.0),  # black mates
        ({"moves": "e4 e5 Bc4 Nc6 Qh5 Nf6"}, "Qxf7#", [], 1.0),
        ({"moves": "f3 e5"}, "g4", ["d8h4"], -1.0),
        ({"fen": "7k/5K2/8/8/8/8/6Q1/8 w - - 0 1"}, "Qg6", [], 0.0),  # stalemate
        ({"fen": "8/8/8/8/8/1k6/p7/K6N w - - 0 1"}, "Ng3", ["b3c3"], None),
        ({"fen": "8/8/8/8/3k4/8/3p4/3K4 w - - 0 1"}, "Kxd2", [], 0.0),  # two bare kings
        ({"fen": "7k/8/8/8/8/8/R7/K7 w - - 98 80"}, "Rb2", [], 0.0),  # claim by the 50th move
        ({"fen": "7k/8/8/8/8/8/R7/K7 w - - 90 80"}, "Rb2", ["h8g8"], None),
    ],
)
def test_endings(opening, move, replies, reward):
    env = placed(**opening, replies=replies)
    _, got, terminated, truncated, info = play(env, move)
    assert (got, terminated, truncated) == (reward or 0.0, reward is not None, False)
    assert info == ({"outcome": replies[0]} if replies else {})
    if terminated:
        with pytest.raises(ResetNeeded):
            env.step(0)


def test_threefold_repetition_ends_the_game_when_it_may_be_claimed():
    env = placed("e4 e5", ["g8f6", "f6g8", "g8f6"])
    for move in ("Nf3", "Ng1", "Nf3"):
        assert not play(env, move)[2]
    # Black may claim that its knight's return would repeat the position, and so the game is over.
    _, reward, terminated, *_ = play(env, "Ng1")
    assert (reward, terminated) == (0.0, True)


def test_the_horizon_truncates(monkeypatch):
    monkeypatch.setattr("icil.tasks.chess.env._outcome", lambda board: None)
    env = placed(replies=["g8f6", "f6g8"] * HORIZON)
    ends = [play(env, ("Nf3", "Ng1")[step % 2])[2:4] for step in range(HORIZON)]
    assert ends == [(False, False)] * (HORIZON - 1) + [(False, True)]
    assert TASK.horizon == HORIZON
    with pytest.raises(ResetNeeded):
        env.step(0)


def test_an_illegal_move_loses_in_the_bare_env():
    env = placed("e4 e5")
    before = env.board.fen()
    assert env.step(encode(chess.Move.from_uci("a1a8")))[1:4] == (-1.0, True, False)
    assert env.board.fen() == before


def test_moves_and_numbers():
    board = chess.Board("1n5k/P7/8/8/8/8/8/K7 w - - 0 1")
    for move in board.legal_moves:
        assert 0 <= encode(move) < MOVES
        assert decode(encode(move)) == move
    assert [encode(decode(number)) for number in range(0, MOVES, 7)] == [*range(0, MOVES, 7)]


@pytest.mark.parametrize(
    "opening",
    [
        {"moves": "e4 e4"},
        {"moves": 7},
        {"moves": "f3 e5 g4 Qh4#"},
        {"fen": "rubbish"},
        {"fen": "8/8/8/8/8/8/8/8 w - - 0 1"},
    ],
)
def test_wrong_openings(opening):
    with pytest.raises(OpeningsError, match="opening of chess"):
        ChessEnv().reset(options={"opening": opening})


def test_a_failing_opponent_leaves_the_board_as_it_was(no_engine):
    env = Chess().make_env()
    TASK.reset(env, TASK.openings("evaluation")[0])
    before = TASK.state_key(env)
    with pytest.raises(UsageError, match="apt-get install stockfish"):
        play(env, TASK.legal_actions(env)[0])
    assert TASK.state_key(env) == before


# Openings


def test_every_opening_of_the_table_is_legal_and_ends_elsewhere():
    ends = set()
    for opening in opening_table():
        board = chess.Board()
        for move in opening["moves"].split():
            parsed = board.parse_san(move)
            assert board.san(parsed) == move
            board.push(parsed)
        assert board.outcome(claim_draw=True) is None
        assert len(opening["eco"]) == 3
        assert opening["eco"][0] in "ABCDE"
        assert opening["name"].strip()
        ends.add(board.epd())
    assert len(ends) == len(opening_table()) > 3500


def test_splits_are_disjoint_and_large():
    splits = []
    for split in ("demonstration", "evaluation"):
        source = TASK.openings(split)
        assert source.distinct > 1700
        splits.append({source[i].state["moves"] for i in range(source.distinct)})
    assert not splits[0] & splits[1]
    assert sum(map(len, splits)) == len(opening_table())


def test_both_colours_are_played():
    source = TASK.openings("evaluation")
    black = sum(len(source[i].state["moves"].split()) % 2 for i in range(200))
    assert 70 < black < 130


def test_making_the_table(tmp_path):
    rows = [
        ("B00", "Transposed", "1. Nf3 e5 2. e4"),
        ("A00", "Polish Opening", "1. b4"),
        ("C40", "King's Knight Opening", "1. e4 e5 2. Nf3"),
        ("A00", "Fool's Mate", "1. f3 e5 2. g4 Qh4#"),
        ("A00", "Illegal", "1. e5"),
        ("A00", "No moves", ""),
    ]
    tsv, out = tmp_path / "a.tsv", tmp_path / "made.tsv"
    tsv.write_text("eco\tname\tpgn\n" + "".join("\t".join(row) + "\n" for row in rows))
    main([str(tsv), "--out", str(out)])
    made = out.read_text()
    assert made == ("eco\tname\tmoves\nA00\tPolish Opening\tb4\nB00\tTransposed\tNf3 e5 e4\n")
    collation = {
        str(number): {"src": "eco_tsv", "eco": eco, "name": name, "moves": pgn}
        for number, (eco, name, pgn) in enumerate(rows)
    }
    collation["x"] = {"src": "scid", "eco": "A00", "name": "Elsewhere", "moves": "1. a4"}
    source = tmp_path / "ecoA.json"
    source.write_text(json.dumps(collation))
    main([str(source), "--out", str(out)])
    assert out.read_text() == made


def test_a_damaged_table(tmp_path, monkeypatch):
    for text in ("", "eco\tname\n", TABLE.read_text(encoding="utf-8")[:1000]):
        path = tmp_path / "openings.tsv"
        path.write_text(text)
        monkeypatch.setattr("icil.tasks.chess.table.TABLE", path)
        with pytest.raises(OpeningsError, match="table of chess openings"):
            opening_table.__wrapped__()


# Formats

SICILIAN = "e4 c5 Nf3 d6 d4 cxd4 Nxd4 Nf6 Nc3 a6"


def test_as_ascii():
    assert TASK.observe(placed("e4 c5"), "ascii").text == (
        "r n b q k b n r\n"
        "p p . p p p p p\n"
        ". . . . . . . .\n"
        ". . p . . . . .\n"
        ". . . . P . . .\n"
        ". . . . . . . .\n"
        "P P P P . P P P\n"
        "R N B Q K B N R"
    )


def test_as_fen():
    shown = TASK.observe(placed("e4"), "fen").text
    assert shown == "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1"
    shown = TASK.observe(placed(SICILIAN), "fen").text
    assert shown == "rnbqkb1r/1p2pppp/p2p1n2/8/3NP3/2N5/PPP2PPP/R1BQKB1R w KQkq - 0 6"


def test_as_pgn():
    assert TASK.observe(placed(""), "pgn").text == "*"
    assert TASK.observe(placed("e4"), "pgn").text == "1. e4 *"
    shown = TASK.observe(placed(SICILIAN), "pgn").text
    assert shown == "1. e4 c5 2. Nf3 d6 3. d4 cxd4 4. Nxd4 Nf6 5. Nc3 a6 *"


def test_pgn_is_written_as_the_game_goes_on():
    env = placed("e4", ["g1f3", "f1b5", "e1g1"])
    assert TASK.observe(env, "pgn").text == "1. e4 *"
    play(env, "e5")
    play(env, "Nc6")
    assert TASK.observe(env, "pgn").text == "1. e4 e5 2. Nf3 Nc6 3. Bb5 *"
    assert TASK.observe(env, "pgn").text == "1. e4 e5 2. Nf3 Nc6 3. Bb5 *"
    play(env, "a6")
    assert TASK.observe(env, "pgn").text == "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. O-O *"


def test_pgn_of_a_game_that_began_elsewhere():
    fen = "4k3/8/8/8/8/8/4P3/4K3 b - - 0 9"
    env = placed(fen=fen, replies=["e2e4"])
    assert TASK.observe(env, "pgn").text == f'[SetUp "1"]\n[FEN "{fen}"]\n\n*'
    play(env, "Kd7")
    assert TASK.observe(env, "pgn").text.endswith("9... Kd7 10. e4 *")
    assert chess.Board(fen).fen() in TASK.state_key(env)


def test_unknown_format():
    with pytest.raises(UnknownNameError, match="fen"):
        TASK.observe(placed(), "fne")


def test_state_key_is_the_game():
    keys = {TASK.state_key(placed(moves)) for moves in ("Nf3 Nf6 d4", "d4 Nf6 Nf3", "d4 Nf6")}
    assert len(keys) == 3
    assert TASK.state_key(placed("e4", ["g1f3"])) == TASK.state_key(placed("e4"))


# Demonstrations


def trace(moves, opening):
    """A demonstration of given moves and answers, without an engine."""
    env, steps = TASK.make_env(), []
    TASK.reset(env, opening)
    for action, outcome in moves:
        state = state_digest(TASK, env)
        value = TASK.parse(action, env).value
        done = TASK.step(env, value, outcome)
        steps.append(Step(state=state, action=action, reward=done.reward, outcome=done.outcome))
    return Demonstration(id="0", opening=opening, steps=tuple(steps), terminated=done.terminated)


SCHOLAR = Opening(split="demonstration", index=0, state={"moves": "e4 e5 Bc4 Nc6"})
MATE = trace([("Qh5", "g8f6"), ("Qxf7#", None)], SCHOLAR)


def test_a_demonstration_renders_with_no_engine(no_engine):
    assert MATE.total == 1.0
    assert MATE.terminated
    assert [step.outcome for step in MATE.steps] == ["g8f6", None]
    for format in TASK.formats:
        shown = list(render(Chess(), MATE, format))
        assert [step.action for step in shown] == ["Qh5", "Qxf7#"]
    (_, last) = render(Chess(language="uci"), MATE, "pgn")
    assert last.observation.text == "1. e4 e5 2. Bc4 Nc6 3. Qh5 Nf6 *"
    assert last.action == "h5f7"


def test_it_renders_in_a_process_without_stockfish_or_threads(tmp_path):
    code = (
        "import threading\n"
        "from icil.tasks.chess import Chess\n"
        "task = Chess(); env = task.make_env()\n"
        "task.reset(env, task.openings('evaluation')[0])\n"
        "assert task.observe(env, 'rgb').image.shape == (256, 256, 3)\n"
        "assert threading.active_count() == 1\n"
        "print('well')"
    )
    environment = {**os.environ, "PATH": str(tmp_path), "ICIL_STOCKFISH": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "well\n"


@pytest.mark.parametrize("outcome", ["e2e4", "rubbish", "0000", 7])
def test_a_damaged_outcome(outcome):
    first = replace(MATE.steps[0], outcome=outcome)
    with pytest.raises(PoolError, match="damaged"):
        list(render(TASK, replace(MATE, steps=(first, MATE.steps[1])), "fen"))


def test_another_outcome_does_not_replay():
    first = replace(MATE.steps[0], outcome="g7g6")
    with pytest.raises(PoolError, match="does not replay"):
        list(render(TASK, replace(MATE, steps=(first, MATE.steps[1])), "fen"))


# With the real engine


@pytest.mark.parametrize("language", ["san", "uci"])
def test_conforms(language):
    task = Chess(language=language, expert_limit={"depth": 3})
    assert check_task(task, episodes=2) == ()


def test_the_expert_beats_the_opponent():
    # Limited by depth: on a busy machine, 50 ms may be too few to win in.
    task = Chess(expert_limit={"depth": 10})
    expert = task.expert()
    assert (expert.name, expert.slow, task.slow) == ("stockfish", True, True)
    source = task.openings("demonstration")
    games = [demonstrate(task, source[i], str(i)) for i in range(4)]
    # The opponent rolls dice of its own: a game in a hundred is no win.
    assert sum(game.total for game in games) >= 2
    assert all(len(game.steps) > 5 for game in games)
    for game in games:
        assert all(isinstance(step.outcome, str) for step in game.steps[:-1])
        assert sum(1 for _ in render(TASK, game, "fen")) == len(game.steps)


def test_an_expert_limited_by_depth_plays_the_same_again():
    env, other = placed(SICILIAN), placed("d4 d5 c4")
    rng = np.random.default_rng(0)
    first = TASK.expert().act(env, rng)
    TASK.expert().act(other, rng)
    assert TASK.expert().act(env, rng) == first
    assert Chess(language="uci", expert_limit={"depth": 4}).expert().act(env, rng) == str(
        env.board.parse_san(first)
    )


def test_settings_of_the_expert_are_for_the_card():
    settings = Chess().expert().settings
    assert json.loads(json.dumps(settings)) == settings
    assert settings["engine"].startswith("Stockfish ")
    assert (settings["skill"], settings["milliseconds"]) == (20, 50)
    opponent = settings["opponent"]
    assert (opponent["engine"], opponent["skill"], opponent["nodes"]) == (settings["engine"], 0, 1)


# Settings


def test_settings_are_what_differs():
    assert Chess().settings == {}
    assert Chess(expert_limit={"milliseconds": 50}).settings == {}
    task = Chess(language="uci", opponent_skill=3, expert_limit={"nodes": 10}, engine="/a/b")
    assert task.settings == {
        "language": "uci",
        "engine": "/a/b",
        "expert_limit": {"nodes": 10},
        "opponent_skill": 3,
    }


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"expert_skill": 21}, "skill of Stockfish is 0 to 20, not 21"),
        ({"expert_skill": True}, "not True"),
        ({"opponent_skill": -1}, "not -1"),
        ({"expert_limit": {}}, "milliseconds, nodes, depth"),
        ({"expert_limit": {"seconds": 1}}, "milliseconds, nodes, depth"),
        ({"expert_limit": None}, "milliseconds, nodes, depth"),
        ({"opponent_limit": {"nodes": 0}}, "a whole number above 0"),
        ({"opponent_limit": {"nodes": 1.5}}, "a whole number above 0"),
        ({"opponent_limit": 1}, "such as {nodes: 1}, not 1"),
        ({"opponent_limit": [1]}, r"not \[1\]"),
        ({"engine_timeout_s": 0}, "above 0"),
        ({"engine_timeout_s": "30"}, "not '30'"),
        ({"engine_timeout_s": math.inf}, "up to 86400, not inf"),
        ({"engine_timeout_s": math.nan}, "not nan"),
        ({"engine": 7}, "the path of a program, not 7"),
        ({"language": "lan"}, "'san' or 'uci', not 'lan'"),
        ({"language": 7}, "'san' or 'uci', not 7"),
    ],
)
def test_wrong_settings(settings, says):
    with pytest.raises(UsageError, match=says):
        Chess(**settings)
