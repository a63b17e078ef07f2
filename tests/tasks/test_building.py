"""Building pools in a folder: many processes, interruptions, the best of more."""

import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from icil.tasks import (
    PoolError,
    UnknownNameError,
    UsageError,
    build_pool,
    build_pool_in,
    load_pool,
    make,
)
from icil.tasks.gridworld import Gridworld
from icil.tasks.tasks import _REGISTRY as TASKS


def test_the_number_of_processes_changes_nothing(tmp_path):
    alone = build_pool_in(tmp_path / "a", "tic_tac_toe", 30)
    many = build_pool_in(tmp_path / "b", "tic_tac_toe", 30, workers=2)
    assert alone == many == load_pool(tmp_path / "b")
    assert alone.demonstrations == build_pool(make("tic_tac_toe"), 30).demonstrations
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a", "b"]


class StoppedError(Exception):
    pass


def stop_after(count):
    left = count

    def progress():
        nonlocal left
        left -= 1
        if left < 0:
            raise StoppedError

    return progress


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_build_that_was_stopped_goes_on(tmp_path, cut):
    whole = build_pool(make("gridworld"), 12)
    with pytest.raises(StoppedError):
        build_pool_in(tmp_path / "pool", "gridworld", 12, progress=stop_after(5))
    part = tmp_path / "pool.part"
    lines = part.read_bytes()
    assert lines.count(b"\n") == 1 + 6
    part.write_bytes(lines[: len(lines) - cut])
    played = 0

    def progress():
        nonlocal played
        played += 1

    assert build_pool_in(tmp_path / "pool", "gridworld", 12, progress=progress) == whole
    assert played == 12
    assert not part.exists()


def test_what_was_played_is_not_played_again(tmp_path, monkeypatch):
    with pytest.raises(StoppedError):
        build_pool_in(tmp_path / "pool", "gridworld", 8, progress=stop_after(4))
    from icil.tasks import building

    asked = []
    real = building.demonstrate
    monkeypatch.setattr(
        building, "demonstrate", lambda *given: (asked.append(given[2]), real(*given))[1]
    )
    build_pool_in(tmp_path / "pool", "gridworld", 8)
    assert asked == ["00005", "00006", "00007"]


def test_the_remains_of_another_build_are_left_alone(tmp_path):
    part = tmp_path / "pool.part"
    part.write_text("something else\n", encoding="utf-8")
    with pytest.raises(PoolError, match="remains of another build"):
        build_pool_in(tmp_path / "pool", "gridworld", 4)
    assert part.read_text(encoding="utf-8") == "something else\n"


def test_damaged_remains_are_named(tmp_path):
    with pytest.raises(StoppedError):
        build_pool_in(tmp_path / "pool", "gridworld", 8, progress=stop_after(4))
    part = tmp_path / "pool.part"
    part.write_bytes(part.read_bytes().replace(b'"reward"', b'"reword"'))
    with pytest.raises(PoolError, match=r"pool\.part is damaged"):
        build_pool_in(tmp_path / "pool", "gridworld", 8)


def test_the_best_of_more_are_kept_in_the_order_of_their_openings():
    task = make("tic_tac_toe")
    all_of_them = build_pool(task, 60).demonstrations
    best = build_pool(task, 40, played=60)
    assert best.card.played == 60
    assert best.card.demonstrations == 40
    kept = {d.id for d in best.demonstrations}
    left = [d.total for d in all_of_them if d.id not in kept]
    assert max(left) <= min(d.total for d in best.demonstrations)
    assert [d.id for d in best.demonstrations] == sorted(kept)


def test_a_pool_is_not_overwritten(tmp_path):
    (tmp_path / "pool").mkdir()
    with pytest.raises(PoolError, match="exists already"):
        build_pool_in(tmp_path / "pool", "gridworld", 4)


def test_a_place_that_cannot_be_written_is_named_before_anything_is_played(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(PoolError, match="cannot write"):
        build_pool_in(tmp_path / "file" / "pool", "gridworld", 4, progress=lambda: 1 / 0)


def test_a_journal_that_can_no_longer_be_written_is_named(tmp_path):
    part = tmp_path / "pool.part"

    def progress():
        if part.is_file():
            part.unlink()
            part.mkdir()

    with pytest.raises(PoolError, match=r"cannot write .*pool\.part: .*Is a directory"):
        build_pool_in(tmp_path / "pool", "gridworld", 4, progress=progress)


def test_what_a_world_cannot_find_is_no_journal_that_cannot_be_written(tmp_path, monkeypatch):
    class Engineless(Gridworld):
        def reset(self, env, opening):
            raise FileNotFoundError("no engine")

    monkeypatch.setitem(TASKS._factories, "gridworld", Engineless)
    with pytest.raises(FileNotFoundError, match=r"^no engine$"):
        build_pool_in(tmp_path / "pool", "gridworld", 4)


def test_after_the_death_of_a_worker_the_same_call_goes_on(tmp_path):
    def kill():
        for worker in multiprocessing.active_children():
            worker.kill()

    with pytest.raises(PoolError, match=r"^a worker process died .*: the same command goes on$"):
        build_pool_in(tmp_path / "pool", "gridworld", 300, workers=2, progress=kill)
    assert (tmp_path / "pool.part").read_bytes().count(b"\n") > 1
    pool = build_pool_in(tmp_path / "pool", "gridworld", 300)
    assert pool == build_pool(make("gridworld"), 300)


BUILD = """
import sys
from contextlib import suppress
from pathlib import Path
from icil.tasks import build_pool_in
try:
    build_pool_in(Path("pool"), "gridworld", 20_000, workers=2)
except KeyboardInterrupt:
    sys.exit("interrupted")
"""


@pytest.fixture
def building(tmp_path):
    """A process with a process group of its own that has begun to start its workers."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(children.read_text().split()) < 2:  # a worker, beside what multiprocessing starts
        assert process.poll() is None
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def test_workers_are_interrupted_in_silence(building):
    os.killpg(building.pid, signal.SIGINT)
    assert building.communicate(timeout=60) == (None, "interrupted\n")
    assert building.returncode == 1


def test_workers_do_not_outlive_a_build_that_is_killed(building, tmp_path):
    while (tmp_path / "pool.part").read_bytes().count(b"\n") < 2:
        assert building.poll() is None
    building.kill()
    building.communicate(timeout=30)  # returns when no process has the output open any more
    assert building.returncode == -signal.SIGKILL


def test_of_two_builds_at_a_time_the_second_is_refused_and_harms_nothing(tmp_path):
    refused = 0

    def build_too():
        nonlocal refused
        with pytest.raises(PoolError, match="pool is being built by another process"):
            build_pool_in(tmp_path / "pool", "gridworld", 4, progress=lambda: 1 / 0)
        refused += 1

    pool = build_pool_in(tmp_path / "pool", "gridworld", 4, progress=build_too)
    assert refused == 4
    assert pool == build_pool(make("gridworld"), 4)
    assert [path.name for path in tmp_path.iterdir()] == ["pool"]


@pytest.mark.parametrize(
    "wrong", [{"name": "atari/pong"}, {"name": "tic_tac_toe", "split": "evaluation"}]
)
def test_what_cannot_be_built_leaves_nothing_behind(tmp_path, wrong):
    with pytest.raises(UsageError):
        build_pool_in(tmp_path / "pool", episodes=10_000, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_setting_is_named(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown setting 'walls'"):
        build_pool_in(tmp_path / "pool", "gridworld", 4, settings={"walls": 3})
