"""What is slow has threads of its own, and nothing is closed under a thread that works on it."""

import asyncio
import gc
import signal
import threading
import time

import pytest

from icil.harness import Experiment, FakeModel, run, run_async
from icil.harness.threads import call
from icil.tasks import Expert
from icil.tasks.gridworld import Gridworld, GridworldEnv
from icil.tasks.tasks import _REGISTRY as TASKS

FIELDS = {"format": ("coords",), "agent": ("random",), "demos": (0,), "episodes": 2}


class Busy:
    """Knows which threads it worked on, and whether something was closed meanwhile."""

    def __init__(self, pause=0.0):
        self.pause, self.began = pause, threading.Event()
        self.threads, self.closed, self._working = {}, [], 0

    def work(self, name):
        self.threads.setdefault(name, set()).add(threading.get_ident())
        self._working += 1
        self.began.set()
        time.sleep(self.pause)
        self._working -= 1

    def close(self, what):
        self.closed.append((what, self._working))


class World(Gridworld):
    """A grid world that is busy with all it does."""

    name = "world"

    def __init__(self, busy, *, slow=False, slow_expert=False):
        self.busy, self.slow, self.slow_expert = busy, slow, slow_expert

    def make_env(self):
        env = GridworldEnv()
        env.close = lambda: self.busy.close("env")
        return env

    def reset(self, env, opening):
        self._work("reset")
        super().reset(env, opening)

    def observe(self, env, format):
        self._work("observe")
        return super().observe(env, format)

    def step(self, env, value, outcome=None):
        self._work("step")
        return super().step(env, value, outcome)

    def _work(self, name):
        if not self.slow_expert:
            self.busy.work(name)

    def expert(self):
        return Thinker(super().expert(), self.busy, self.slow_expert)


class Thinker(Expert):
    name = "thinker"

    def __init__(self, inner, busy, slow):
        self.inner, self.busy, self.slow = inner, busy, slow

    def begin(self, env):
        if self.slow:
            self.busy.work("begin")
        self.inner.begin(env)

    def act(self, env, rng):
        if self.slow:
            self.busy.work("act")
        return self.inner.act(env, rng)

    def close(self):
        self.busy.close("expert")


@pytest.fixture
def world(monkeypatch):
    """Returns a function that makes a world that can be played by its name."""

    def world(**options):
        task = World(Busy(options.pop("pause", 0.0)), **options)
        monkeypatch.setitem(TASKS._factories, "world", lambda: task)
        # Only what is played is watched.
        monkeypatch.setattr("icil.harness.playing.runner.rehearse", lambda plan: None)
        return task.busy

    return world


@pytest.mark.parametrize("slow", [False, True])
def test_a_slow_task_is_off_the_event_loop(slow, world, tmp_path):
    busy = world(slow=slow)
    fake = {"fake": FakeModel("up")}
    run(Experiment(task=("world",), **FIELDS | {"agent": ("fake",)}), tmp_path / "r", agents=fake)
    assert set(busy.threads) == {"reset", "observe", "step"}
    for threads in busy.threads.values():
        assert (threading.get_ident() in threads) == (not slow)
        assert slow or len(threads) == 1


def test_a_slow_expert_is_off_the_event_loop_and_closed_after_each_episode(world, tmp_path):
    busy = world(slow_expert=True)
    run(Experiment(task=("world",), **FIELDS), tmp_path / "r")
    assert set(busy.threads) == {"begin", "act"}
    assert all(threading.get_ident() not in threads for threads in busy.threads.values())
    assert [what for what, _ in busy.closed].count("expert") == FIELDS["episodes"]


@pytest.mark.parametrize("who", ["slow", "slow_expert"])
def test_nothing_is_closed_while_a_thread_works_on_it(who, world, tmp_path):
    busy = world(pause=0.1, **{who: True})

    async def interrupted():
        experiment = Experiment(task=("world",), **FIELDS)
        playing = asyncio.create_task(run_async(experiment, tmp_path / "r", concurrency=1))
        while not busy.began.is_set():
            await asyncio.sleep(0.005)
        playing.cancel()
        await playing

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert "env" in {what for what, _ in busy.closed}
    assert ("expert" in {what for what, _ in busy.closed}) == (who == "slow_expert")
    assert {working for _, working in busy.closed} == {0}


@pytest.mark.parametrize("slow", [False, True])
def test_a_call_returns_and_raises_what_its_function_does(slow):
    assert asyncio.run(call(slow, divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(call(slow, divmod, 7, 0))


@pytest.mark.parametrize("slow", [False, True])
def test_a_bare_next_that_finds_nothing_is_an_error(slow):
    loop = asyncio.new_event_loop()
    try:
        calling = loop.create_task(call(slow, next, iter(())))
        loop.run_until_complete(asyncio.wait([calling], timeout=10))
        assert calling.done()
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            calling.result()
    finally:
        loop.close()


@pytest.mark.parametrize("cancelled", [1, 2])
def test_what_fails_after_its_caller_is_cancelled_is_not_complained_about(cancelled):
    complaints, began, go_on = [], threading.Event(), threading.Event()

    def fail():
        began.set()
        assert go_on.wait(10)
        raise FileNotFoundError("no engine")

    async def playing():
        asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
        caller = asyncio.create_task(call(True, fail))
        await asyncio.to_thread(began.wait, 10)
        for _ in range(cancelled):
            caller.cancel()
            await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        while len(asyncio.all_tasks()) > 1:  # twice cancelled, the caller does not wait
            await asyncio.sleep(0.001)
        gc.collect()

    asyncio.run(playing())
    assert complaints == []


class Held(FakeModel):
    """Holds something that is to be closed when all its episodes are over."""

    def __init__(self, answers, **options):
        super().__init__(answers, **options)
        self.open, self.closed = 0, []

    async def begin(self, episode):
        self.open += 1

    async def end(self, episode):
        await asyncio.sleep(0)
        self.open -= 1

    async def close(self):
        await asyncio.sleep(0)
        self.closed.append(self.open)


class BugError(Exception):
    pass


def bug(turn):
    if turn.step:
        raise BugError
    return "b2"


def test_agents_are_closed_once_at_the_end(play):
    agent = Held("b2")
    play(agents={"fake": agent}, format=("ascii", "rgb"), demos=(0, 1))
    assert agent.closed == [0]
    again = Held("b2")
    play(agents={"fake": again}, format=("ascii", "rgb"), demos=(0, 1))
    assert (again.calls, again.closed) == (0, [])  # it had nothing to play, and was not prepared


def test_agents_are_closed_after_a_bug(play):
    agent = Held(bug)
    with pytest.raises(BugError):
        play(agents={"fake": agent})
    assert agent.closed == [0]


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt])
def test_agents_are_closed_on_interruption(error, tmp_path):
    async def playing():
        task = asyncio.current_task()

        def stop(turn):
            if agents["fake"].calls > 1:  # a second Ctrl-C would not wait for anything
                return "up"
            if error is KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)
            else:
                task.cancel()
            return "b2"

        agents["fake"] = Held(stop)
        experiment = Experiment(**FIELDS | {"task": ("gridworld",), "agent": ("fake",)})
        await run_async(experiment, tmp_path / "r", agents=agents)

    agents = {}
    with pytest.raises(error):
        asyncio.run(playing())
    assert agents["fake"].closed == [0]


def test_an_agent_that_cannot_be_closed_costs_no_reply(play, contents, tmp_path):
    class Stuck(FakeModel):
        async def close(self):
            raise BugError

    model = Stuck("b2")
    with pytest.raises(BugError):
        play(agents={"fake": model})
    left = contents(tmp_path / "run").of(agent="fake")
    assert sum(len(e["steps"]) for e in left) == model.calls
    assert not [t for t in threading.enumerate() if t.name.startswith("store")]
