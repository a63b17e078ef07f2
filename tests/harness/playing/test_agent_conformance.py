"""The conformance checker of agents, and `icil check` for all kinds."""

import asyncio
import itertools
import json
import threading
from dataclasses import replace

import click
import numpy as np
import pytest
from click.testing import CliRunner
from websockets.asyncio.server import serve

from icil.harness import Agent, Capabilities, FakeModel, Reply
from icil.harness.agents import make
from icil.harness.cli.check import check
from icil.harness.cli.main import icil
from icil.harness.playing.conformance import RULES, check_agent, judge_agent, task_for
from icil.harness.policies import Execution, pack
from icil.results import Usage
from icil.tasks import ModelError, UnknownNameError, UsageError, sample_action

PLAYS, REPLIES, USAGE, RESUMES = list(RULES)[1:]
EMBEDDED = ["expert", "nearest", "random", "replay"]


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch):
    """Half of a short run's time would go into a figure that nobody looks at."""
    monkeypatch.setattr(
        "icil.harness.playing.runner._write_results", lambda leaderboard, folder: None
    )


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_embedded_agents_keep_all_rules(name):
    assert check_agent(lambda: make(name)) == ()


def at_random(turn):
    return sample_action(turn.legal_actions(), turn.rng())


def test_a_model_keeps_all_rules():
    verdicts = list(judge_agent(lambda: FakeModel(at_random, context_tokens=100_000)))
    assert [v.rule for v in verdicts] == list(RULES)
    assert all(v.ok for v in verdicts)
    assert verdicts[1].notes == (
        "played ascii, 0 demonstrations",
        "played ascii, 2 demonstrations",
        "played rgb, 0 demonstrations",
        "played rgb, 2 demonstrations",
    )


def test_a_model_without_eyes_is_shown_texts():
    verdicts = list(judge_agent(lambda: FakeModel(at_random, images=False)))
    assert all(v.ok for v in verdicts)
    assert any("the agent is not shown tic_tac_toe rgb" in note for note in verdicts[1].notes)


def test_a_short_memory_is_no_fault():
    verdicts = list(judge_agent(lambda: FakeModel(at_random, images=False, context_tokens=150)))
    assert all(v.ok for v in verdicts)
    assert any("overlong" in note for note in verdicts[1].notes)


def caught(make_agent):
    return {f.rule: f.seen for f in reversed(check_agent(make_agent))}


class Broken(Agent):
    """Acts at random on texts; then a mistake is made."""

    capabilities = Capabilities(text=True, demonstrations="trajectory")

    def __init__(self, mistake=lambda reply: reply):
        self.mistake = mistake

    async def act(self, turn):
        return self.mistake(Reply(text=at_random(turn)))


def test_says_what_it_can_be_given():
    class Silent(Broken):
        capabilities = "text"

    class Odd(Broken):
        capabilities = Capabilities(text=True, demonstrations="magic")

    class Narrow(Broken):
        capabilities = Capabilities(text=True, max_images=-1)

    class Uncounted(Broken):
        capabilities = Capabilities(text=True, context_tokens=1000)

    class Miscounted(Uncounted):
        def tokens(self, part):
            return -1

    rule = next(iter(RULES))
    assert caught(Silent)[rule] == "capabilities 'text'"
    assert caught(Odd)[rule] == "demonstrations 'magic'"
    assert caught(Narrow)[rule] == "max_images -1"
    assert "counts no tokens" in caught(Uncounted)[rule]
    assert caught(Miscounted)[rule] == "tokens(a text) is -1"


def test_plays_whole_episodes():
    def crash(reply):
        raise KeyError("board")

    def fault(reply):
        raise ModelError("the server answered 500")

    assert caught(lambda: Broken(crash))[PLAYS] == "the run broke off: KeyError: 'board'"
    assert "the server answered 500" in caught(lambda: Broken(fault))[PLAYS]


def test_answers_with_a_reply():
    seen = caught(lambda: Broken(lambda reply: reply.text))
    assert list(seen) == [REPLIES]
    seen = caught(lambda: Broken(lambda reply: replace(reply, text=None)))
    assert seen == {REPLIES: "a reply with the text None"}


@pytest.mark.parametrize(
    ("usage", "seen"),
    [
        (Usage(output_tokens=-1), "output_tokens -1"),
        (Usage(input_tokens=1.5), "input_tokens 1.5"),
        (Usage(input_tokens=5, cached_input_tokens=6), "cached_input_tokens 6, input_tokens 5"),
        (Usage(output_tokens=5, reasoning_tokens=6), "reasoning_tokens 6, output_tokens 5"),
        (Usage(cost_usd=-0.5), "cost_usd -0.5"),
        (Usage(latency_s=float("nan")), "latency_s nan"),
    ],
)
def test_reports_a_usage_that_can_be(usage, seen):
    assert caught(lambda: Broken(lambda reply: replace(reply, usage=usage))) == {USAGE: seen}


def test_unknown_prices_and_latencies_are_right():
    usage = Usage(cost_usd=None, latency_s=None)
    assert caught(lambda: Broken(lambda reply: replace(reply, usage=usage))) == {}


class Counting(Broken):
    """Remembers how often it was asked in this process, which a resumed one does not know."""

    def __init__(self):
        self.count = itertools.count()

    async def act(self, turn):
        legal = turn.legal_actions()
        return Reply(text=legal[next(self.count) % len(legal)])


def test_goes_on_after_an_interruption():
    seen = caught(Counting)
    assert list(seen) == [RESUMES]
    assert "and when resumed" in seen[RESUMES]


class Chunks(Agent):
    """Answers three steps at once."""

    capabilities = Capabilities(state=True, chunked=True)
    execution = Execution()

    def __init__(self, value=0.5):
        self.value = value

    async def act(self, turn):
        return Reply(text=json.dumps([[self.value] * turn.episode.task.action_box.dimension] * 3))


def test_an_agent_of_chunks_plays_a_task_of_vectors():
    assert task_for(Chunks()) == "cheetah"
    verdicts = list(judge_agent(Chunks))
    assert all(v.ok for v in verdicts)
    assert verdicts[1].notes == ("played without a format, 0 demonstrations",)
    assert not verdicts[-1].notes  # it was interrupted, and went on


def test_an_agent_plays_the_task_that_is_named():
    assert check_agent(Chunks, "gym:Pendulum-v1") == ()
    assert "a chunk of actions was to be answered" in caught(lambda: Chunks(5.0))[PLAYS]


def test_what_never_answers_breaks_one_rule():
    def fault(reply):
        raise ModelError("the server answered 500")

    assert list(caught(lambda: Broken(fault))) == [PLAYS]


def test_a_resumed_stateful_agent_starts_again():
    class Planner(Broken):
        capabilities = Capabilities(text=True, stateful=True)
        plan = ()

        async def begin(self, episode):
            self.plan = []

        async def act(self, turn):
            self.plan.append(turn.step)
            legal = turn.legal_actions()
            assert self.plan == list(range(turn.step + 1))
            return Reply(text=legal[sum(self.plan) % len(legal)])

    assert caught(Planner) == {}
    Planner.capabilities = Capabilities(text=True)
    assert "AssertionError" in caught(Planner)[RESUMES]


def test_a_fickle_agent_is_reported_and_not_failed():
    shared = np.random.default_rng(0)

    class Fickle(Broken):
        async def act(self, turn):
            return Reply(text=sample_action(turn.legal_actions(), shared))

    *_, last = judge_agent(Fickle)
    assert last.ok
    assert "no telling" in last.notes[0]


# the command


def run(*arguments):
    return CliRunner().invoke(icil, ["check", *arguments])


def test_the_command_lists_the_rules():
    done = run("selector", "random")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[0] == "ok      gives as many demonstrations as asked for"
    assert lines[-1] == "selector random keeps all 8 rules"
    assert run("task", "tic_tac_toe").exit_code == 0
    assert run("agent", "random").exit_code == 0


def test_the_command_shows_what_is_broken(monkeypatch):
    monkeypatch.setattr(
        "icil.harness.agents._REGISTRY._factories",
        {"odd": lambda: Broken(lambda reply: replace(reply, usage=Usage(output_tokens=-1)))},
    )
    done = run("agent", "odd")
    assert done.exit_code == 1
    assert (
        "failed  reports a usage that can be\n        saw       output_tokens -1\n" in done.output
    )
    assert "        expected  a whole number, 0 or more\n" in done.output
    assert done.output.endswith("agent odd breaks 1 of 5 rules\n")


WALK = """
import gymnasium
import numpy as np

class Walk(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-9.0, 9.0, (1,), np.float64)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        pass

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = self.np_random.uniform(-3, 3)
        return np.array([self.at]), {}

    def step(self, action):
        self.at = np.clip(self.at + (1 if action else -1), -9, 9)
        return np.array([self.at]), float(self.at >= 4), bool(self.at >= 4), False, {}

def right(env):
    return 1

gymnasium.register("WalkOfMine-v0", Walk, max_episode_steps=12)
"""


def test_the_command_checks_tasks_as_they_are_set(tmp_path, monkeypatch):
    (tmp_path / "walk_of_mine.py").write_text(WALK, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    name = "gym:walk_of_mine:WalkOfMine-v0"
    done = run("task", name)
    assert done.exit_code == 0
    assert "note      there is no expert to compare with\n" in done.output
    done = run("task", name, "--set", "expert=walk_of_mine:right", "--set", "actions=[left, right]")
    assert done.exit_code == 0
    assert "the expert scores 1 and random play 0" in done.output


def test_the_command_checks_agents_and_selectors_as_they_are_set(monkeypatch):
    def odd(*, output_tokens=0):
        usage = Usage(output_tokens=output_tokens)
        return Broken(lambda reply: replace(reply, usage=usage))

    monkeypatch.setattr("icil.harness.agents._REGISTRY._factories", {"odd": odd})
    assert run("agent", "odd").exit_code == 0
    done = run("agent", "odd", "--set", "output_tokens=-1")
    assert done.exit_code == 1
    assert "saw       output_tokens -1\n" in done.output
    for kind, name in (("agent", "odd"), ("selector", "random"), ("task", "gridworld")):
        with pytest.raises(UnknownNameError, match="unknown setting 'colour'"):
            check.main([kind, name, "--set", "colour=red"], standalone_mode=False)


@pytest.fixture
def vla():
    """Starts a policy of chunks of zeros; returns the name of its agent."""
    loop, servers = asyncio.new_event_loop(), []
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def start(dimension):
        async def talk(connection):
            await connection.send(pack({}))
            async for _ in connection:
                await connection.send(pack({"actions": np.zeros((25, dimension))}))

        async def up():
            servers.append(await serve(talk, "127.0.0.1", 0))

        asyncio.run_coroutine_threadsafe(up(), loop).result(30)
        return f"vla/openpi@ws://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"

    async def down():
        for server in servers:
            server.close()
            await server.wait_closed()

    yield start
    asyncio.run_coroutine_threadsafe(down(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


def test_the_command_checks_a_policy_behind_a_server(vla):
    name = vla(6)
    done = run("agent", name, "--set", "map=state")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{name} is asked to play cheetah; --task names another\n")
    name = vla(1)
    done = run("agent", name, "--set", "map=state")
    assert done.exit_code == 1
    assert "actions have the shape (25, 1); expected (steps, 6)" in done.output
    assert done.output.endswith(f"agent {name} breaks 1 of 5 rules\n")
    done = run("agent", name, "--set", "map=state", "--task", "gym:Pendulum-v1")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", ["vla/openpi@ws://127.0.0.1:9", "vla/act@http://127.0.0.1:9"])
def test_nothing_is_checked_of_a_policy_that_is_not_there(name):
    done = run("agent", name)
    assert isinstance(done.exception, ModelError)
    where = name.partition("@")[2]
    assert str(done.exception) == f"nobody answers at {where}: connection refused"
    assert "ok" not in done.output


def test_a_policy_whose_map_does_not_fit_the_task_is_wrong_usage():
    arguments = ["agent", "vla/openpi@ws://127.0.0.1:9"]
    with pytest.raises(UsageError, match="libero is for LIBERO's arm"):
        check.main([*arguments, "--set", "map=libero"], standalone_mode=False)
    with pytest.raises(UsageError, match="gridworld has words for actions"):
        check.main([*arguments, "--task", "gridworld"], standalone_mode=False)
    with pytest.raises(click.UsageError, match="a selector plays none"):
        check.main(["selector", "random", "--task", "gridworld"], standalone_mode=False)


@pytest.mark.parametrize(
    ("kind", "name", "nearest"),
    [
        ("task", "gridwrld", "gridworld"),
        ("agent", "randm", "random"),
        ("selector", "rand", "random"),
    ],
)
def test_an_unknown_name_is_wrong_usage(kind, name, nearest):
    with pytest.raises(UnknownNameError, match=f"did you mean '{nearest}'"):
        check.main([kind, name], standalone_mode=False)
