"""Importing what LMAct published: true to the files, or refused in one line."""

import ast
from dataclasses import replace

import pytest

from icil.harness import Experiment, run
from icil.tasks import PoolError, UsageError, load_pool, load_pool_for, make, render
from icil.tasks import replay as replay_steps
from icil.tasks.exchange import import_pool


@pytest.fixture(autouse=True)
def no_engine(monkeypatch):
    """Nothing here may ask an engine, be it the expert or the opponent."""
    monkeypatch.setenv("ICIL_STOCKFISH", "/nowhere/stockfish")


def replay(task, demonstration):
    for _ in replay_steps(task, demonstration):
        pass


@pytest.fixture
def imported(tmp_path, lmact):
    """Imports what `lmact` holds for a task, and plays it again from the disk."""

    def imported(name, where=None, **options):
        where, task = str(where or lmact.folder), make(name)
        made = import_pool("lmact", where, task, tmp_path / "pool", **options)
        pool = load_pool_for(task, tmp_path / "pool")
        assert pool == made.pool
        for demonstration in pool.demonstrations:
            replay(task, demonstration)
        return made

    return imported


@pytest.fixture
def refused(tmp_path, lmact):
    """Checks that an import is refused in one line and leaves nothing; returns the line."""

    def refused(name, where=None, error=PoolError, **options):
        before = sorted(tmp_path.rglob("*"))
        out = tmp_path / "new" / "pool"
        with pytest.raises(error) as raised:
            import_pool("lmact", str(where or lmact.folder), make(name), out, **options)
        assert sorted(tmp_path.rglob("*")) == before
        message = str(raised.value)
        assert "\n" not in message
        return message

    return refused


# Tic-tac-toe


def test_games_of_tic_tac_toe_carry_the_opponents_moves(lmact, imported):
    lmact.tic_tac_toe(["xo.......", "xo.x....o"], ["b1", "c1"])
    (game,) = imported("tic_tac_toe").pool.demonstrations
    steps = [(step.action, step.reward, step.outcome) for step in game.steps]
    assert steps == [("b1", 0, "c3"), ("c1", 1, None)]
    assert (game.id, game.opening.index, game.terminated) == ("demonstration_0", 0, True)
    assert game.opening.state["board"] == "xo......."


@pytest.mark.parametrize(
    ("board", "action", "total", "outcome"),
    [
        ("oo.xx.x..", "a3", 1, None),
        ("xx.oo.xo.", "c3", -1, "b3"),
        ("o.oxox.x.", "a2", -1, "c1"),  # c3 would have ended it too
        ("xoxxoo.x.", "c1", 0, "c3"),  # the opponent fills the board
        ("xoxxooox.", "c3", 0, None),  # the agent does
    ],
)
def test_the_last_answer_is_one_that_ended_the_game(board, action, total, outcome, lmact, imported):
    lmact.tic_tac_toe([board], [action])
    (game,) = imported("tic_tac_toe").pool.demonstrations
    assert (game.total, game.steps[0].outcome) == (total, outcome)


def test_games_against_lmacts_opponent_replay_though_its_chances_differ(lmact, imported, shipped):
    boards = list(dict.fromkeys(d.opening.state["board"] for d in shipped("tic_tac_toe")[:60]))
    for board in boards:
        lmact.played(board)
    games = imported("tic_tac_toe").pool.demonstrations
    assert [game.opening.state["board"] for game in games] == boards
    assert {game.total for game in games} == {1, 0, -1}
    differ = 0
    for game in games:
        bare = replace(game, steps=tuple(replace(step, outcome=None) for step in game.steps))
        try:
            replay(make("tic_tac_toe"), bare)
        except PoolError:
            differ += 1
    assert differ > len(games) // 3


def test_an_opening_that_evaluation_starts_from_is_not_shown_there(lmact, imported, tmp_path):
    task = make("tic_tac_toe")
    evaluated = task.openings("evaluation")[0].state["board"]
    lmact.played(evaluated)
    for index in (0, 1, 2):
        lmact.played(task.openings("demonstration")[index].state["board"])
    pool = imported("tic_tac_toe").pool
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[0])
    assert pool.passing[_digest(task, env)] == {"demonstration_0"}


def _digest(task, env):
    from icil.tasks.demonstrations import state_digest

    return state_digest(task, env)


# The grid world


def test_walks_are_in_our_coordinates(lmact, imported):
    lmact.grid([(1, 1), (1, 1), (2, 1)], (2, 2), ["up", "down", "right"])
    (walk,) = imported("gridworld").pool.demonstrations
    assert walk.opening.state == {"player": [1, 1], "target": [2, 2]}
    assert [step.reward for step in walk.steps] == [0, 0, 1]
    assert walk.terminated


def test_a_walk_is_cut_off_at_the_horizon_and_counted(lmact, imported):
    away = [(1, 1), (1, 2)] * 15
    lmact.grid([*away, (1, 1)], (2, 1), [*["right", "left"] * 15, "down"])
    made = imported("gridworld")
    (walk,) = made.pool.demonstrations
    assert (len(walk.steps), walk.terminated, walk.total, made.shortened) == (25, False, 0, 1)


# Chess


def test_games_of_chess_carry_the_engines_moves(lmact, imported, shipped):
    ours = sorted(shipped("chess"), key=lambda d: len(d.steps))[:3]
    for game in ours:
        board, moves = _board(game.opening.state), []
        for step in game.steps:
            moves.append(step.action)
            board.push_san(step.action)
            if step.outcome:
                moves.append(board.san(board.parse_uci(step.outcome)))
                board.push_uci(step.outcome)
        lmact.chess(game.opening.state["moves"], moves)
    theirs = imported("chess").pool.demonstrations
    for one, other in zip(ours, theirs, strict=True):
        assert one.steps == other.steps
        assert other.opening.state == {"moves": one.opening.state["moves"]}


def _board(state):
    import chess

    board = chess.Board()
    for move in state["moves"].split():
        board.push_san(move)
    return board


def test_a_game_may_start_from_another_position(lmact, imported):
    fen = "7K/8/6k1/8/8/8/q7/8 b - - 0 1"
    lmact.chess("", ["Qa8#"], fen=fen)
    (game,) = imported("chess").pool.demonstrations
    assert (game.total, game.opening.state) == (1, {"fen": fen, "moves": ""})


def test_the_last_answer_in_chess_is_the_mate_that_must_have_come(lmact, imported):
    lmact.chess("f3 e5", ["g4"])
    (game,) = imported("chess").pool.demonstrations
    assert (game.total, game.steps[0].outcome) == (-1, "d8h4")


def test_a_game_of_which_nothing_tells_the_end_is_refused(lmact, refused):
    lmact.chess("e4 e5", ["Nf3", "Nc6", "Bb5"])
    said = refused("chess")
    assert "demonstration_0" in said
    assert "step 1: nothing tells how the game went on after this move" in said


# Crossword


WORDS = [
    ["A", 0, 0, "CAT", "It purrs"],
    ["D", 0, 2, "TEN", "One more than nine: a number"],
    ["A", 2, 2, "NO", "Not yes (2)"],
    ["D", 0, 0, "COD", "A fish"],
]


@pytest.mark.parametrize("headings", [False, True])
def test_puzzles_keep_their_clues_and_get_our_numbers(headings, lmact, imported):
    lmact.crossword(WORDS, headings)
    pool = imported("crossword").pool
    (puzzle,) = pool.demonstrations
    assert [step.action for step in puzzle.steps] == ["A1: CAT", "D2: TEN", "A3: NO", "D1: COD"]
    assert (puzzle.total, puzzle.terminated) == (4, True)
    first = next(render(make("crossword"), puzzle, "ascii")).observation.text
    for clue in ("A1: It purrs (3)", "D2: One more than nine: a number (3)", "D1: A fish (3)"):
        assert clue in first


def test_our_own_puzzles_come_back(lmact, imported, shipped):
    task = make("crossword")
    for ours in shipped("crossword")[:3]:
        env = task.make_env()
        task.reset(env, ours.opening)
        places = [env.puzzle.entries[step.action.partition(":")[0]] for step in ours.steps]
        lmact.crossword([[p.direction, *p.start, p.word, p.clue] for p in places])
    for ours, theirs in zip(
        shipped("crossword"), imported("crossword").pool.demonstrations, strict=False
    ):
        assert theirs.steps == ours.steps


# Cheetah


def test_runs_are_compared_with_a_tolerance(lmact, imported, shipped):
    lmact.cheetah(shipped("cheetah")[0], noise=1e-7)
    (run,) = imported("cheetah").pool.demonstrations
    (recorded,) = lmact.folder.glob("*/*/observations_dict.bag")
    first, brace, _ = recorded.read_bytes().partition(b"}")
    assert run.opening.state == ast.literal_eval((first + brace).decode())
    assert [s.action for s in run.steps] == [s.action for s in shipped("cheetah")[0].steps]
    ours = shipped("cheetah")[0]
    assert run.total == pytest.approx(ours.total, abs=1e-3)


def test_a_run_that_is_too_short_is_refused(lmact, refused, shipped):
    lmact.cheetah(shipped("cheetah")[0], steps=3)
    assert "step 2: that is the last, but the episode is not over" in refused("cheetah")


def test_a_run_that_our_physics_do_not_repeat_is_refused(lmact, refused, shipped):
    lmact.cheetah(shipped("cheetah")[0], noise=0.02)
    assert "step 1: position and velocity differ by up to " in refused("cheetah")


# Every world


@pytest.fixture
def filled(lmact, shipped):
    """Writes a few demonstrations of a task's world, and returns the first one's folder."""

    def filled(task):
        match task:
            case "tic_tac_toe":
                first = lmact.tic_tac_toe(["oo.xx.x.."], ["a3"])
                lmact.played("." * 9)
            case "gridworld":
                first = lmact.grid([(1, 1)], (1, 2), ["right"])
                lmact.grid([(1, 1)], (2, 1), ["down"])
            case "chess":
                first = lmact.chess("f3 e5", ["g4"])
                lmact.chess("f4 e5", ["g4"])
            case "crossword":
                first = lmact.crossword(WORDS)
                lmact.crossword(WORDS[::-1])
            case _:
                first = lmact.cheetah(shipped("cheetah")[0])
                lmact.cheetah(shipped("cheetah")[1])
        return first

    return filled


@pytest.mark.parametrize("task", ["tic_tac_toe", "gridworld", "chess", "crossword", "cheetah"])
def test_a_cell_can_be_played_with_an_imported_pool(task, filled, imported, tmp_path, monkeypatch):
    filled(task)
    pool = imported(task).pool
    monkeypatch.delenv("ICIL_STOCKFISH")  # a run may ask one
    card = pool.card
    assert (card.licence, card.task_settings) == ("CC-BY-4.0", {})
    assert card.source.startswith("LMAct, ")
    assert card.expert
    format = make(task).formats[0]
    experiment = Experiment(
        task=(task,),
        format=(format,),
        agent=("replay",),
        demos=(1,),
        episodes=1,
        teacher_forced=True,
        pool=(str(tmp_path / "pool"),),
    )
    rows = run(experiment, tmp_path / "run").leaderboard.rows
    (row,) = (row for row in rows if row.agent == "replay")
    assert (row.score_mean, row.errors, row.episodes) == (1.0, 0, 1)


def test_the_folder_may_be_that_of_one_world_whatever_it_is_called(lmact, filled, imported):
    filled("gridworld").parent.rename(lmact.folder / "walks")
    assert len(imported("gridworld", lmact.folder / "walks").pool.demonstrations) == 2


def test_demonstrations_are_in_the_order_of_their_numbers(lmact, imported):
    for column in range(2, 10):
        lmact.grid([(1, column)], (1, column + 1), ["right"])
    world = lmact.folder / "grid_world_12x12"
    (world / "demonstration_3").rename(world / "demonstration_10")
    demonstrations = imported("gridworld").pool.demonstrations
    assert [d.id for d in demonstrations] == [
        f"demonstration_{number}" for number in (0, 1, 2, 4, 5, 6, 7, 10)
    ]
    assert [d.opening.index for d in demonstrations] == list(range(8))


def test_compressed_streams_are_read(lmact, imported, make_bag):
    zstandard = pytest.importorskip("zstandard")
    folder = lmact.grid([(1, 1)], (1, 2), ["right"])
    (folder / "actions_txt.bag").unlink()
    (folder / "actions_txt.bagz").write_bytes(make_bag([zstandard.compress(b"right")]))
    assert imported("gridworld").pool.demonstrations[0].total == 1


def test_what_does_not_replay_is_an_error_that_names_it_or_left_out(lmact, refused, imported):
    lmact.grid([(1, 1)], (1, 2), ["right"])
    lmact.grid([(1, 1), (5, 5)], (1, 3), ["right", "right"])
    said = refused("gridworld")
    assert "demonstration_1 of " in said
    assert "step 1: player and target are at ((1, 2), (1, 3)), not ((5, 5), (1, 3))" in said
    assert "--skip-untrue" in said
    made = imported("gridworld", skip_untrue=True)
    assert [d.id for d in made.pool.demonstrations] == ["demonstration_0"]
    (why,) = made.untrue
    assert "demonstration_1" in why


def test_a_pool_of_nothing_is_not_made(lmact, refused):
    lmact.grid([(1, 1)], (5, 5), ["right"])
    said = refused("gridworld", skip_untrue=True)
    assert "none of the 1 episodes" in said
    assert "that is the last, but the episode is not over" in said


@pytest.mark.parametrize(
    ("task", "streams", "said"),
    [
        ("gridworld", {"actions_txt": [b"fly"]}, "step 0: 'fly' is not an action"),
        ("gridworld", {"actions_txt": [b"right", b"right"]}, "1 records for 2 actions"),
        ("gridworld", {"actions_txt": [b"\xff\xfe"]}, "actions_txt.bag: record 0: 'utf-8' codec"),
        ("gridworld", {"actions_txt": []}, "actions_txt.bag is empty"),
        ("gridworld", {"observations_player": [b"12345"]}, "5 bytes are no row and column"),
        ("gridworld", {"observations_player": [bytes(16)]}, "its opening: player at (0, 0)"),
        ("tic_tac_toe", {"actions_txt": [b"a1"]}, "step 0: 'a1' is not allowed in this state"),
        ("tic_tac_toe", {"observations_board": [b"x" * 36]}, "record 0: 'utf-32-le' codec"),
        ("tic_tac_toe", {"observations_board": ["x" * 9]}, "record 0: 'utf-32-le' codec"),
        ("tic_tac_toe", {"observations_board": ["xo".encode("utf-32-le")]}, "'xo' is no board"),
        ("tic_tac_toe", {"observations_board": [("x" * 9).encode("utf-32-le")]}, "its opening"),
        ("chess", {"actions_san": ["Ke7"]}, "step 0: 'Ke7' is not legal in this position"),
        ("chess", {"observations_pgn": [""]}, "this is no game in PGN"),
        ("chess", {"observations_pgn": ["1. e4 e4 *"]}, "record 0: illegal san: 'e4'"),
        ("chess", {"observations_pgn": ['[FEN "x"]\n\n*']}, "observations_pgn: record 0"),
        ("crossword", {"actions_txt": ["A9: CAT"] * 4}, "step 0: there is no clue 'A9'"),
        ("crossword", {"actions_txt": ["A1: CATS"] * 4}, "step 0: A1 has 3 letters, not 4"),
        ("crossword", {"actions_txt": ["A1: DOG"] * 4}, "other words are still to be found"),
        ("crossword", {"observations_puzzle": ["grid\n\nclues"] * 4}, "this is no grid, clues and"),
        ("cheetah", {"observations_dict": ["{'position': [1]"] * 100}, "no position and velocity"),
        ("cheetah", {"observations_dict": ["[" * 9999] * 100}, "no position and velocity"),
        ("cheetah", {"observations_dict": ["{'position': [1], 'velocity': [2]}"] * 100}, "8 numb"),
        (
            "cheetah",
            {"actions_txt": ["[0, 0, 0, 0, 0, 2]"] * 100},
            "number 6 is 2, outside [-1, 1]",
        ),
    ],
)
def test_damage_is_told_in_one_line(task, streams, said, filled, refused, make_bag):
    folder = filled(task)
    for stream, records in streams.items():
        content = make_bag(r if isinstance(r, bytes) else r.encode() for r in records)
        (folder / f"{stream}.bag").write_bytes(content if records else b"")
    found = refused(task)
    assert said in found
    assert "demonstration_0" in found


def test_a_clue_that_is_missing_is_told(lmact, refused, make_bag):
    folder = lmact.crossword(WORDS)
    path = folder / "observations_puzzle.bag"
    grid = "\n".join([" " * 36] * 15)
    solution = "Solution:\nA1: CAT (0, 0)\nD2: TEN (0, 2)"
    path.write_bytes(make_bag([f"{grid}\n\nA1: It purrs\n\n{solution}".encode()] * 4))
    assert "observations_puzzle has no clue of D2" in refused("crossword")


@pytest.mark.parametrize("stream", ["actions_txt", "observations_player", "observations_target"])
def test_a_stream_that_is_missing_or_cut_off_is_told(stream, lmact, refused):
    path = lmact.grid([(1, 1)], (1, 2), ["right"]) / f"{stream}.bag"
    path.write_bytes(path.read_bytes()[:-3])
    assert f"{stream}.bag is damaged" in refused("gridworld")
    path.unlink()
    assert f"has no {stream}.bag; is it of another world?" in refused("gridworld")


def test_another_world_is_told(lmact, filled, refused):
    filled("chess")
    chess = lmact.folder / "chess"
    assert "chess is another world; gridworld is LMAct's grid_world_12x12" in refused(
        "gridworld", chess
    )
    chess.rename(lmact.folder / "games")
    assert "has no actions_txt.bag" in refused("gridworld", lmact.folder / "games")
    assert "holds neither demonstration_* folders nor a chess folder" in refused("chess")
    assert "there is no folder" in refused("chess", lmact.folder / "none")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("atari/phoenix", "neither the emulator's states nor the seeds of its sticky actions"),
        ("gym:CartPole-v1", "LMAct has no demonstrations of gym:CartPole-v1, only of cheetah, "),
    ],
)
def test_worlds_that_cannot_be_imported_say_so(task, said, lmact, refused):
    lmact.folder.mkdir()
    assert said in refused(task, error=UsageError)


def test_nothing_is_overwritten(lmact, filled, tmp_path):
    filled("gridworld")
    (tmp_path / "pool").mkdir()
    with pytest.raises(PoolError, match="exists already"):
        import_pool("lmact", str(lmact.folder), make("gridworld"), tmp_path / "pool")
    with pytest.raises(PoolError, match="no pool of demonstrations"):
        load_pool(tmp_path / "pool")
