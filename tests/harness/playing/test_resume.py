"""Interrupted at any moment, by anything, a run ends as if it had not been."""

import asyncio
import csv
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from icil.harness import Experiment, FakeModel, run, run_async
from icil.harness.playing.writer import StoreWriter
from icil.harness.testing import fail_first
from icil.prompt_builders import Selection, Selector
from icil.prompt_builders.selectors import _REGISTRY as SELECTORS
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks import Observation, StoreError
from icil.tasks.tic_tac_toe import TicTacToe

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
    (tmp_path / "run.sqlite.new").write_bytes((whole / FILE_NAME).read_bytes()[:5000])
    (tmp_path / "run.sqlite.new-journal").write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7" + b"\0" * 504)
    model = FakeModel(by_prompt)
    run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": model})
    assert model.calls == calls
    assert contents(tmp_path).essence() == contents(whole).essence()


def test_an_experiment_file_that_was_being_written_when_the_process_died_is_written_anew(
    tmp_path, undisturbed, contents
):
    with pytest.raises(BugError):
        run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(Trap(5, bug))})
    (tmp_path / "experiment.yaml").unlink()
    (tmp_path / "experiment.yaml.new").write_text("task: [tic")
    finish(tmp_path, undisturbed, contents)
    assert not (tmp_path / "experiment.yaml.new").exists()


def at_step(number, spring):
    """Answers, and springs the first time that an episode comes to a step."""

    def answer(turn):
        if turn.step == number:
            spring()
        return by_prompt(turn)

    return answer


ELSEWHERE = "go on with that one, or play in a new folder"


@pytest.mark.parametrize("demos", [0, 2])
def test_prompts_that_became_others_meanwhile_are_refused(demos, tmp_path, monkeypatch):
    fields = {**EXPERIMENT, "agent": ("fake",), "demos": (demos,), "episodes": 3}
    with pytest.raises(BugError):
        run(
            Experiment(**fields),
            tmp_path / "run",
            agents={"fake": FakeModel(at_step(2, bug))},
            concurrency=1,
        )
    observe, model = TicTacToe.observe, FakeModel(by_prompt)
    with monkeypatch.context() as patch:
        patch.setattr(
            TicTacToe, "observe", lambda *a: Observation(text=observe(*a).text.replace(".", "-"))
        )
        with pytest.raises(StoreError) as error:
            run(Experiment(**fields), tmp_path / "run", agents={"fake": model}, concurrency=1)
    assert re.match(
        r"tic_tac_toe ascii fake, opening \d, step 0: the prompt is another now", str(error.value)
    )
    assert ELSEWHERE in str(error.value)
    assert model.calls == 0
    # Nothing is spoilt: the version that began the run ends it.
    run(Experiment(**fields), tmp_path / "run", agents={"fake": model})
    run(Experiment(**fields), tmp_path / "whole", agents={"fake": FakeModel(by_prompt)})
    one, other = ((tmp_path / n / "leaderboard.csv").read_bytes() for n in ("run", "whole"))
    assert one == other


def test_a_prefix_that_nothing_answered_gives_way_to_what_is_sent(tmp_path, monkeypatch, contents):
    fields = {**EXPERIMENT, "agent": ("fake",), "demos": (2,), "episodes": 2}
    broken = FakeModel(by_prompt, faults=fail_first(100))
    assert run(Experiment(**fields), tmp_path, agents={"fake": broken}).errors == 2
    observe = TicTacToe.observe
    monkeypatch.setattr(
        TicTacToe, "observe", lambda *a: Observation(text=observe(*a).text.replace(".", "-"))
    )
    sent = set()

    def answer(turn):
        sent.add(turn.prompt.text().encode())
        return by_prompt(turn)

    run(Experiment(**fields), tmp_path, agents={"fake": FakeModel(answer)})
    assert sent == {r for e in contents(tmp_path).of(agent="fake") for r in e["requests"]}


def test_a_stateful_model_does_not_start_again_behind_another_prefix(tmp_path, monkeypatch):
    fields = {**EXPERIMENT, "agent": ("fake",), "demos": (2,), "episodes": 1}
    with pytest.raises(BugError):
        run(Experiment(**fields), tmp_path, agents={"fake": Planner(at_step(1, bug))})
    observe, model = TicTacToe.observe, Planner(by_prompt)
    monkeypatch.setattr(
        TicTacToe, "observe", lambda *a: Observation(text=observe(*a).text.replace(".", "-"))
    )
    with pytest.raises(StoreError, match="opening 0, step 0: the prompt is another now than it"):
        run(Experiment(**fields), tmp_path, agents={"fake": model})
    assert model.calls == 0


def test_rewards_that_became_others_meanwhile_are_refused(tmp_path, monkeypatch):
    fields = {**EXPERIMENT, "agent": ("fake",), "demos": (0,), "episodes": 3}
    with pytest.raises(BugError):
        run(
            Experiment(**fields),
            tmp_path,
            agents={"fake": FakeModel(at_step(2, bug))},
            concurrency=1,
        )
    step, model = TicTacToe.step, FakeModel(by_prompt)

    def richer(*arguments):
        done = step(*arguments)
        return done._replace(reward=done.reward + 0.5)

    monkeypatch.setattr(TicTacToe, "step", richer)
    with pytest.raises(StoreError) as error:
        run(Experiment(**fields), tmp_path, agents={"fake": model}, concurrency=1)
    assert re.match(
        r"tic_tac_toe ascii fake, opening \d, step 0: the world gives a reward of 0\.5 now, and "
        r"gave 0\.0 then; ",
        str(error.value),
    )
    assert ELSEWHERE in str(error.value)
    assert model.calls == 0


def test_demonstrations_that_became_others_meanwhile_are_refused(tmp_path, monkeypatch):
    class Fickle(Selector):
        first = 0

        def select(self, pool, query, k, rng):
            chosen = pool.demonstrations[self.first : self.first + k]
            return Selection(demonstrations=chosen, reasons=("x",) * k)

    monkeypatch.setitem(SELECTORS._factories, "fickle", Fickle)
    fields = {**EXPERIMENT, "agent": ("fake",), "selector": ("fickle",), "demos": (2,)}
    with pytest.raises(BugError):
        run(Experiment(**fields), tmp_path, agents={"fake": FakeModel(at_step(1, bug))})
    Fickle.first, model = 5, FakeModel(by_prompt)
    with pytest.raises(StoreError, match="was begun with other demonstrations than are chosen now"):
        run(Experiment(**fields), tmp_path, agents={"fake": model})
    assert model.calls == 0


class Planner(FakeModel):
    """A model that cannot go on in the middle of an episode."""

    def __init__(self, answers):
        super().__init__(answers, cost_usd=0.25)
        self.capabilities = replace(self.capabilities, stateful=True)
        self.plans = {}

    async def begin(self, episode):
        self.plans[episode] = []

    async def act(self, turn):
        self.plans[turn.episode].append(turn.step)
        assert self.plans[turn.episode] == list(range(turn.step + 1))
        return await super().act(turn)


def test_a_stateful_model_starts_again_and_what_it_cost_before_is_kept(tmp_path, contents):
    fields = {**EXPERIMENT, "agent": ("fake",), "demos": (2,), "episodes": 4}
    whole = run(Experiment(**fields), tmp_path / "whole", agents={"fake": Planner(by_prompt)})
    lost = 0
    for _ in range(2):
        first = Planner(at_step(2, bug))
        with pytest.raises(BugError):
            run(Experiment(**fields), tmp_path / "run", agents={"fake": first}, concurrency=1)
        lost += 2  # steps 0 and 1 of the episode that was broken off
    summary = run(Experiment(**fields), tmp_path / "run", agents={"fake": Planner(by_prompt)})
    left = contents(tmp_path / "run")
    assert left.essence() == contents(tmp_path / "whole").essence()
    assert sorted(e["attempt"] for e in left.of(agent="fake")) == [0, 0, 0, 2]
    (row,), (plain,) = summary.leaderboard.rows, whole.leaderboard.rows
    counted = sum(len(e["steps"]) for e in left.of(agent="fake"))
    assert plain.cost_usd == counted * 0.25
    assert row.cost_usd == (counted + lost) * 0.25
    assert row.input_tokens > plain.input_tokens
    same = ("score_mean", "steps_mean", "invalid_rate", "illegal_rate", "empty_rate", "episodes")
    assert [getattr(row, name) for name in same] == [getattr(plain, name) for name in same]
    with (tmp_path / "run" / "leaderboard.csv").open() as file:
        (written,) = csv.DictReader(file)
    assert float(written["cost_usd"]) == (counted + lost) * 0.25


def test_results_that_were_being_written_when_the_process_died_are_written_anew(
    tmp_path, undisturbed
):
    whole, _ = undisturbed
    with pytest.raises(BugError):
        run(Experiment(**EXPERIMENT), tmp_path, agents={"fake": FakeModel(Trap(5, bug))})
    for name in ("leaderboard.csv", "leaderboard.csv.new"):
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


def test_a_write_that_fails_fails_whoever_waits_for_it_and_nobody_else(tmp_path):
    def broken():
        raise UnicodeError("no such letter")

    async def writes():
        write = StoreWriter(store)
        with pytest.raises(UnicodeError):
            await asyncio.wait_for(write(broken), 10)
        assert await asyncio.wait_for(write(lambda: store.begin_episode(1, 0).id), 10) == 1
        found = await asyncio.gather(
            *(
                write(lambda n=n: broken() if n == 5 else store.begin_episode(1, n).id)
                for n in range(1, 9)
            ),
            return_exceptions=True,
        )
        assert isinstance(found.pop(4), UnicodeError)
        assert found == list(range(2, 9))
        await write.close()

    store = store_of(tmp_path)
    asyncio.run(writes())
    # Those that waited with the broken one were paid for, and are kept.
    assert store.rows("SELECT opening FROM episodes ORDER BY 1")[1] == [
        (n,) for n in (0, 1, 2, 3, 4, 6, 7, 8)
    ]
    store.close()


def test_a_write_that_fails_half_way_leaves_nothing_of_itself(tmp_path):
    def half():
        store.begin_episode(1, 7)
        raise BugError

    async def writes():
        write = StoreWriter(store)
        found = await asyncio.gather(
            write(lambda: store.begin_episode(1, 0).id),
            write(half),
            write(lambda: store.begin_episode(1, 1).id),
            return_exceptions=True,
        )
        await write.close()
        return found

    store = store_of(tmp_path)
    found = asyncio.run(writes())
    assert [type(one) for one in found] == [int, BugError, int]
    assert store.rows("SELECT opening FROM episodes ORDER BY 1")[1] == [(0,), (1,)]
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


def test_what_a_full_disk_has_no_room_for_is_a_store_error_and_the_rest_is_kept(tmp_path):
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
    failed = [one for one in found if isinstance(one, StoreError)]
    kept = [(n,) for n, one in enumerate(found) if not isinstance(one, StoreError)]
    assert len(failed) > 20
    assert all("the disk is full" in str(error) for error in failed)
    assert store.rows("SELECT opening FROM episodes ORDER BY 1")[1] == kept
    store.close()
