"""Engines: shared, replaced when they die or hang, ended with the process, missing."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chess
import pytest

from icil.tasks import UsageError, demonstrate
from icil.tasks.chess import Chess
from icil.tasks.chess.engines import ATTEMPTS, EngineKind, EnginePool, close_engines
from icil.tasks.chess.stockfish import VARIABLE, Stockfish, find_stockfish

REAL = find_stockfish()
QUICK = {"depth": 3}


@pytest.fixture(autouse=True)
def no_engines_left():
    yield
    close_engines()


def fake(path, go="sleep 60", uci="echo id name Fake 1; echo uciok", until=None):
    """Writes an engine that does as told; once `until` exists it is the real one."""
    real = f'if [ -e "{until}" ]; then exec {REAL}; fi; touch "{until}"\n' if until else ""
    path.write_text(
        f'#!/bin/sh\n{real}while read -r line; do case "$line" in\n'
        f"uci) {uci};;\nisready) echo readyok;;\ngo*) {go};;\nesac; done\n"
    )
    path.chmod(0o755)
    return str(path)


def pool(path=REAL, size=2, timeout_s=20.0):
    return EnginePool(EngineKind(path=path, options=(), timeout_s=timeout_s), size)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_engine_serves_many_moves():
    engines, board, seen = pool(), chess.Board(), set()
    for _ in range(10):
        board.push(engines.choose(board, "nodes 1"))
        seen |= engines.pids
    assert len(seen) == 1
    assert engines.name().startswith("Stockfish ")
    engines.close()
    assert not engines.pids
    assert not any(map(alive, seen))
    assert engines.choose(board, "nodes 1") in board.legal_moves
    engines.close()


def test_no_more_engines_than_there_are_places():
    engines, board = pool(size=2), chess.Board()
    with ThreadPoolExecutor(8) as threads:
        moves = list(threads.map(lambda _: engines.choose(board, "nodes 50"), range(40)))
    assert all(move in board.legal_moves for move in moves)
    assert 1 <= len(engines.pids) <= 2
    engines.close()


def test_an_engine_killed_between_moves_is_replaced():
    engines, board = pool(), chess.Board()
    board.push(engines.choose(board, "nodes 1"))
    (first,) = engines.pids
    os.kill(first, signal.SIGKILL)
    board.push(engines.choose(board, "nodes 1"))
    (second,) = engines.pids
    assert second != first
    engines.close()


@pytest.mark.parametrize(
    "fault",
    [
        {"go": "sleep 60"},
        {"go": "exit 1"},
        {"go": "echo bestmove a1a8"},
        {"go": "echo bestmove"},
        {"go": "echo bestmove (none)"},
        {"go": "kill -9 $$"},
        {"uci": "sleep 60"},
        {"uci": "exit 1"},
    ],
    ids=lambda fault: " ".join(*fault.items()),
)
def test_the_game_goes_on_with_a_new_engine(fault, tmp_path):
    path = fake(tmp_path / "engine", until=tmp_path / "failed", **fault)
    engines = pool(path, timeout_s=3.0)
    board = chess.Board()
    for move in ("f3", "e5", "g4"):
        board.push_san(move)
    # Only who knows the whole game finds the mate.
    if "sleep" in str(fault):
        engines = pool(path, timeout_s=0.5)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("icil.tasks.chess.engines.ATTEMPTS", 20)
            assert board.san(engines.choose(board, "depth 4")) == "Qh4#"
    else:
        assert board.san(engines.choose(board, "depth 4")) == "Qh4#"
    engines.close()


def test_an_engine_that_keeps_failing_is_an_error_with_a_remedy(tmp_path):
    engines = pool(fake(tmp_path / "engine", go="exit 1"))
    with pytest.raises(UsageError, match=rf"engine died \(tried {ATTEMPTS} times\)"):
        engines.choose(chess.Board(), "nodes 1")
    assert not engines.pids
    # The places were given back.
    with pytest.raises(UsageError):
        engines.choose(chess.Board(), "nodes 1")


def test_a_hung_engine_is_killed_with_what_it_started(tmp_path):
    noted = tmp_path / "pids"
    path = fake(tmp_path / "engine", go=f'sleep 60 & echo "$$ $!" >>{noted}; wait')
    task = Chess(engine=path, engine_timeout_s=0.3)
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[0])
    before = task.state_key(env)
    with pytest.raises(UsageError, match=r"did not say 'bestmove' within 0.3 s.*engine_timeout_s"):
        task.step(env, task.parse(task.legal_actions(env)[0], env).value)
    assert task.state_key(env) == before
    pids = [int(pid) for pid in noted.read_text().split()]
    assert pids
    deadline = time.monotonic() + 10
    while any(map(_runs, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(pid):
    """Whether a process runs; one that waits to be reaped by init does not."""
    if not Path("/proc/self/stat").exists():
        return alive(pid)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_is_no_engine_cannot_be_used(tmp_path):
    silent = tmp_path / "silent"
    silent.write_text("not a program")
    silent.chmod(0o755)
    with pytest.raises(UsageError, match="cannot be started"):
        pool(str(silent)).choose(chess.Board(), "nodes 1")
    with pytest.raises(UsageError, match="died"):
        pool("/bin/true").choose(chess.Board(), "nodes 1")


def test_a_game_survives_its_engine():
    task = Chess(expert_limit=QUICK)
    env, opening = task.make_env(), task.openings("demonstration")[0]
    task.reset(env, opening)
    expert = task.expert()
    for step in range(4):
        done = task.step(env, task.parse(expert.act(env, None), env).value)
        assert not done.terminated
        if step == 1:
            close_engines()
    assert len(env.board.move_stack) == len(opening.state["moves"].split()) + 8


def test_a_missing_engine(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("icil.tasks.chess.stockfish._ELSEWHERE", tmp_path / "stockfish")
    task = Chess()
    with pytest.raises(UsageError, match=r"no Stockfish on PATH.*apt-get install stockfish"):
        demonstrate(task, task.openings("demonstration")[0], "0")
    with pytest.raises(UsageError, match="apt-get install stockfish"):
        _ = task.expert().settings
    # It is found as soon as it is there: by name on PATH, by the variable, by the setting.
    monkeypatch.setenv("PATH", str(Path(REAL).parent))
    assert find_stockfish() == REAL
    monkeypatch.setenv(VARIABLE, "/nowhere/engine")
    with pytest.raises(UsageError, match="no chess engine at /nowhere/engine"):
        find_stockfish()
    monkeypatch.setenv(VARIABLE, REAL)
    assert find_stockfish() == find_stockfish(REAL) == REAL
    with pytest.raises(UsageError, match="no chess engine at /elsewhere"):
        find_stockfish("/elsewhere")


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "os.kill(os.getpid(), 9)"])
def test_engines_end_with_the_process(ending):
    code = (
        "import os, chess\n"
        "from icil.tasks.chess import Stockfish\n"
        "player = Stockfish(None, 0, {'nodes': 1})\n"
        "player.choose(chess.Board())\n"
        "print(*player._pool.pids, flush=True)\n" + ending
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == {"": 0, "r": 3, "o": -9}[ending[:1]], done.stderr
    (pid,) = map(int, done.stdout.split())
    deadline = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_engines_of_its_own():
    code = (
        "import os, sys, chess\n"
        "from icil.tasks.chess import Stockfish\n"
        "player = Stockfish(None, 0, {'nodes': 1})\n"
        "player.choose(chess.Board())\n"
        "before = player._pool.pids\n"
        "child = os.fork()\n"
        "player.choose(chess.Board())\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    assert player._pool.pids == before\n"
        "else:\n"
        "    assert not player._pool.pids & before\n"
    )
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_deterministic_player_forgets():
    """What an engine remembers of earlier searches must not change what it answers."""
    player = Stockfish(None, 20, {"nodes": 20000})
    board, other = chess.Board(), chess.Board()
    for move in ("e4", "c5", "Nf3", "d6"):
        board.push_san(move)
    first = player.choose(board)
    for _ in range(3):
        other.push(player.choose(other))
        assert player.choose(board) == first
