"""Interrupted at any moment, by anything, a run ends as if it had not been."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from icil.harness import Experiment, FakeModel, run, run_async
from icil.harness.writer import StoreWriter
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks import StoreError

SAID = ("a1", "b2", "c3", "a3", "c2", "z9", "")
EXPERIMENT = {
    "task": ("tic_tac_toe",),
    "format": ("ascii",),
    "agent": ("fake", "nearest", "expert"),
    "demos": (0, 3),
    "episodes": 12,
    "legal_actions": True,
}


def by_prompt(turn):
    return SAID[turn.prompt.hash[0] % len(SAID)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    model = FakeModel(by_prompt)
    run(Experiment(**EXPERIMENT), folder, agents={"fake": model})
    return folder, model.calls


def finish(folder, undisturbed, contents):
    """Goes on with an interrupted run to its end, and checks all that must hold."""
    whole, calls = undisturbed
    before = contents(folder)
    kept = {
        (e["task"], e["agent"], e["count"], e["opening"], s["step"]): s["reply"]
        for e in before.episodes
        for s in e["steps"]
    }
    asked = []

    def answer(turn):
        count = len(turn.episode.demonstrations)
        asked.append((turn.episode.task.name, "fake", count, turn.episode.opening.index, turn.step))
        return by_prompt(turn)

    summary = run(Experiment(**EXPERIMENT), folder, agents={"fake": FakeModel(answer)})
    assert summary.errors == 0
    assert not kept.keys() & set(asked)
    assert len(asked) == len(set(asked))
    assert len(asked) == calls - sum(agent == "fake" for _, agent, *_ in kept)
    assert contents(folder).essence() == contents(whole).essence()
    for name in ("leaderboard.csv", "experiment.yaml"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    return kept


class Trap:
    """Answers, and springs at the nth call."""

    def __init__(self, nth, spring):
        self.left, self.spring, self.answered = nth, spring, 0

    def __call__(self, turn):
        self.left -= 1
        if self.left == 0:
            self.spring()
        self.answered += 1
        return by_prompt(turn)


class BugError(Exception):
    pass


def bug():
    raise BugError


MOMENTS = pytest.mark.parametrize("nth", [1, 2, 17, 40])


@MOMENTS
def test_after_a_bug_in_an_agent(nth, tmp_path, undisturbed, contents):
    trap = Trap(nth, bug)
    with pytest.raises(BugError):
        run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(trap)})
    kept = finish(tmp_path, undisturbed, contents)
    # Those that had answered when the bug struck were on their way to the disk, and arrived.
    assert sum(agent == "fake" for _, agent, *_ in kept) == trap.answered


@MOMENTS
def test_after_its_task_was_cancelled(nth, tmp_path, undisturbed, contents):
    async def cancelled():
        task = asyncio.current_task()
        trap = Trap(nth, task.cancel)
        await run_async(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(trap)})

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    finish(tmp_path, undisturbed, contents)


@MOMENTS
def test_after_ctrl_c(nth, tmp_path, undisturbed, contents):
    trap = Trap(nth, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(trap)})
    finish(tmp_path, undisturbed, contents)


def test_after_many_interruptions_in_turn(tmp_path, undisturbed, contents):
    for _ in range(12):
        model = FakeModel(Trap(3, bug))
        with pytest.raises(BugError):
            run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": model}, concurrency=3)
    assert len(finish(tmp_path, undisturbed, contents)) >= 12 * 2


KILLED = """
import os, signal, sys
from pathlib import Path
from icil.harness import Experiment, FakeModel, run

SAID, EXPERIMENT, left = {said!r}, {experiment!r}, int(sys.argv[2])

def answer(turn):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return SAID[turn.prompt.hash[0] % len(SAID)]

run(Experiment(**EXPERIMENT), Path(sys.argv[1]), agents={{"fake": FakeModel(answer)}})
"""


@pytest.mark.parametrize("nth", [1, 33])
def test_after_kill_minus_9(nth, tmp_path, undisturbed, contents):
    code = KILLED.format(said=SAID, experiment=EXPERIMENT)
    done = subprocess.run([sys.executable, "-c", code, tmp_path, str(nth)], check=False)
    assert done.returncode == -signal.SIGKILL
    finish(tmp_path, undisturbed, contents)


def test_an_expert_that_was_interrupted_begins_its_episode_again(tmp_path, undisturbed, contents):
    """It may hold a plan, which nobody else has."""
    with pytest.raises(BugError):
        run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(Trap(1, bug))})
    store = RunStore(tmp_path / FILE_NAME)
    store._db.execute(
        "UPDATE episodes SET status = 'running', score = NULL "
        "WHERE cell IN (SELECT id FROM cells WHERE agent = 'expert')"
    )
    store.close()
    finish(tmp_path, undisturbed, contents)


def test_a_store_that_was_being_made_when_the_process_died_is_made_anew(
    tmp_path, undisturbed, contents
):
    whole, calls = undisturbed
    (tmp_path / ".lock").touch()
    (tmp_path / "experiment.yaml").write_text("task: [tic")
    (tmp_path / "run.sqlite.new").write_bytes((whole / FILE_NAME).read_bytes()[:5000])
    (tmp_path / "run.sqlite.new-journal").write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7" + b"\0" * 504)
    model = FakeModel(by_prompt)
    run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": model})
    assert model.calls == calls
    assert contents(tmp_path).essence() == contents(whole).essence()


def test_results_that_were_being_written_when_the_process_died_are_written_anew(
    tmp_path, undisturbed
):
    whole, _ = undisturbed
    with pytest.raises(BugError):
        run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(Trap(5, bug))})
    for name in ("leaderboard.csv", "leaderboard.csv.new", "scores.png"):
        (tmp_path / name).write_text("half")
    run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(by_prompt)})
    assert (tmp_path / "leaderboard.csv").read_bytes() == (whole / "leaderboard.csv").read_bytes()
    assert not (tmp_path / "leaderboard.csv.new").exists()


def test_a_run_that_was_interrupted_can_be_read(tmp_path, icil):
    with pytest.raises(BugError):
        run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(Trap(30, bug))})
    said = icil("leaderboard", tmp_path)
    assert said.code == 0
    assert "fake" in said.out


def store_of(folder):
    from icil.results import CellRecord

    cell = CellRecord(
        hash="0", task="t", format="f", agent="a", selector="", demonstrations=0, options={}
    )
    return RunStore.create(folder / FILE_NAME, {"formats": {}}, [cell])


def test_a_write_that_fails_in_any_way_fails_whoever_waits_for_it_and_nobody_after(tmp_path):
    def broken():
        raise UnicodeError("no such letter")

    async def writes():
        write = StoreWriter(store)
        with pytest.raises(UnicodeError):
            await asyncio.wait_for(write(broken), 10)
        assert await asyncio.wait_for(write(lambda: store.begin_episode(1, 0).id), 10) == 1
        both = await asyncio.gather(
            write(lambda: store.begin_episode(1, 1)), write(broken), return_exceptions=True
        )
        assert all(isinstance(result, UnicodeError) for result in both)
        await write.close()

    store = store_of(tmp_path)
    asyncio.run(writes())
    # The one that shared the broken write's transaction was undone with it.
    assert store.counts() == {"running": 1}
    store.close()


def test_writes_are_done_in_their_order_and_seen_before_they_are_acknowledged(tmp_path):
    done = []

    def begin(opening):
        store.begin_episode(1, opening)
        done.append(opening)
        return opening

    async def one(write, opening):
        assert await write(lambda: begin(opening)) == opening
        reader = RunStore(tmp_path / FILE_NAME, readonly=True)
        found = reader.rows(f"SELECT 1 FROM episodes WHERE opening = {opening}")[1]
        reader.close()
        assert found == [(1,)]

    async def writes():
        write = StoreWriter(store)
        await asyncio.gather(*(one(write, opening) for opening in range(40)))
        await write.close()

    store = store_of(tmp_path)
    asyncio.run(writes())
    store.close()
    assert done == list(range(40))


def test_a_write_after_the_disk_is_full_is_a_store_error_for_all_that_wait(tmp_path):
    async def writes():
        write = StoreWriter(store)
        found = await asyncio.gather(
            *(
                write(lambda n=n: store.begin_episode(1, n, demonstrations=["x" * 4000]))
                for n in range(30)
            ),
            return_exceptions=True,
        )
        await write.close()
        return found

    store = store_of(tmp_path)
    pages = store.rows("PRAGMA page_count")[1][0][0]
    store.rows(f"PRAGMA max_page_count = {pages + 2}")
    found = asyncio.run(writes())
    assert {type(error) for error in found} == {StoreError}
    assert all("the disk is full" in str(error) for error in found)
    assert store.counts() == {}
    store.close()
