"""Demonstrations: compact traces that are true when they are played again."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from icil.tasks import (
    ContractError,
    EnumeratedOpenings,
    Expert,
    Observation,
    PoolError,
    Task,
    demonstrate,
    make,
    parse_choice,
    render,
)
from icil.tasks.demonstrations import state_digest
from icil.tasks.openings import take

TASKS = [make("gridworld"), make("tic_tac_toe")]


class WanderEnv(gymnasium.Env):
    """A walk along a line, with gusts of wind that cannot be simulated again."""

    wind = iter(())
    closed = 0

    def reset(self, *, seed=None, options=None):
        self.place, self.steps, self.gust = options["opening"]["place"], 0, None
        return self.place, {}

    def step(self, action):
        gust = next(self.wind) if self.gust is None else self.gust
        self.place, self.steps = self.place + action + gust, self.steps + 1
        return self.place, float(gust), False, self.steps == 3, {"outcome": {"gust": gust}}

    def close(self):
        type(self).closed += 1


class Walker(Expert):
    name = "walker"
    says = " on\n"

    def act(self, env, rng):
        return self.says


class Wander(Task):
    """The walk as a task."""

    name, version, summary, formats, horizon = "wander", 1, "a walk", ("text",), 3

    def make_env(self):
        return WanderEnv()

    def openings(self, split):
        return EnumeratedOpenings("wander", 1, split, [{"place": p} for p in range(4)])

    def state_key(self, env):
        return str(env.place)

    def observe(self, env, format):
        return Observation(text=str(env.place))

    def legal_actions(self, env):
        return ("on",)

    def parse(self, text, env):
        return parse_choice(text, {"on": 1}, ("on",))

    def step(self, env, value, outcome=None):
        env.gust = None if outcome is None else outcome["gust"]
        return super().step(env, value)

    def expert(self):
        return Walker()


@pytest.fixture
def wander(monkeypatch):
    monkeypatch.setattr(WanderEnv, "wind", iter([5, -3, 2, 9, 9, 9]))
    monkeypatch.setattr(WanderEnv, "closed", 0)
    return Wander()


def demonstrations(task, count, least=1):
    """The first demonstrations of at least so many steps."""
    found = []
    for opening in take(task.openings("demonstration"), 500):
        made = demonstrate(task, opening, f"{opening.index:05d}")
        if len(made.steps) >= least:
            found.append(made)
        if len(found) == count:
            return found
    raise AssertionError


def tampered(demonstration, number, **changes):
    steps = list(demonstration.steps)
    steps[number] = replace(steps[number], **changes)
    return replace(demonstration, steps=tuple(steps))


def refused(task, demonstration, number):
    """Checks that a demonstration is found untrue at a step, which the message names."""
    seen = []
    with pytest.raises(PoolError) as raised:
        seen.extend(shown.observation for shown in render(task, demonstration, "ascii"))
    message = str(raised.value)
    assert message.startswith(f"demonstration {demonstration.id} of {task.name} does not replay: ")
    assert f": step {number}: " in message
    assert "damaged, " in message
    assert "has other settings" in message
    assert "\n" not in message
    return seen


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_rendering_shows_what_the_expert_saw_in_every_format(task):
    for demonstration in demonstrations(task, 5):
        for format in task.formats:
            env = task.make_env()
            task.reset(env, demonstration.opening)
            seen = [shown.observation for shown in render(task, demonstration, format)]
            assert len(seen) == len(demonstration.steps)
            for shown, step in zip(seen, demonstration.steps, strict=True):
                live = task.observe(env, format)
                assert shown.text == live.text
                assert np.array_equal(shown.image, live.image)
                assert state_digest(task, env) == step.state
                task.step(env, task.parse(step.action, env).value)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_same_opening_gives_the_same_demonstration(task):
    for opening in take(task.openings("demonstration"), 20):
        assert demonstrate(task, opening, "a") == demonstrate(task, opening, "a")


def test_a_demonstration_sums_up_its_steps():
    demonstration = demonstrations(TASKS[0], 1, least=3)[0]
    assert demonstration.total == 1.0
    assert demonstration.terminated
    assert demonstration.states == {step.state for step in demonstration.steps}
    assert len(demonstration.states) == len(demonstration.steps)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("number", [0, 1])
def test_another_action_does_not_replay(task, number):
    for demonstration in demonstrations(task, 5, least=number + 2):
        env = task.make_env()
        task.reset(env, demonstration.opening)
        for step in demonstration.steps[:number]:
            task.step(env, task.parse(step.action, env).value)
        taken = demonstration.steps[number].action
        for action in set(task.legal_actions(env)) - {taken}:
            changed = tampered(demonstration, number, action=action)
            where = rf"^demonstration {demonstration.id} of .*: step ({number}|{number + 1}): "
            with pytest.raises(PoolError, match=where):
                list(render(task, changed, "ascii"))


@pytest.mark.parametrize("action", ["fly", "", "up down"])
def test_an_action_that_is_none_does_not_replay(action):
    demonstration = demonstrations(TASKS[0], 1, least=3)[0]
    seen = refused(TASKS[0], tampered(demonstration, 2, action=action), 2)
    assert len(seen) == 3


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("number", [0, 1])
def test_another_reward_does_not_replay(task, number):
    demonstration = demonstrations(task, 1, least=2)[0]
    reward = demonstration.steps[number].reward
    for other in (reward + 1e-3, -1.0 - reward):
        refused(task, tampered(demonstration, number, reward=other), number)
    nearly = tampered(demonstration, number, reward=reward + 1e-9)
    assert len(list(render(task, nearly, "ascii"))) == len(demonstration.steps)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("number", [0, 1])
def test_another_state_does_not_replay_and_is_not_shown(task, number):
    demonstration = demonstrations(task, 1, least=2)[0]
    seen = refused(task, tampered(demonstration, number, state="0" * 16), number)
    assert len(seen) == number


def test_another_opening_does_not_replay():
    one, other = demonstrations(TASKS[0], 2)
    refused(TASKS[0], replace(one, opening=other.opening), 0)


def test_a_trace_goes_to_the_end_and_no_further():
    task = TASKS[0]
    demonstration = demonstrations(task, 1, least=2)[0]
    last = len(demonstration.steps) - 1
    refused(task, replace(demonstration, steps=demonstration.steps[:-1]), last - 1)
    refused(task, replace(demonstration, terminated=False), last)
    beyond = replace(demonstration, steps=(*demonstration.steps, demonstration.steps[-1]))
    refused(task, beyond, last)


def test_what_cannot_be_simulated_again_is_in_the_trace(wander):
    demonstration = demonstrate(wander, wander.openings("demonstration")[0], "a")
    start = demonstration.opening.state["place"]
    assert [step.outcome for step in demonstration.steps] == [{"gust": g} for g in (5, -3, 2)]
    assert demonstration.total == 4.0
    assert not demonstration.terminated
    seen = [shown.observation.text for shown in render(wander, demonstration, "text")]
    assert seen == [str(start), str(start + 6), str(start + 4)]


def test_actions_are_kept_in_their_canonical_wording(wander):
    demonstration = demonstrate(wander, wander.openings("demonstration")[0], "a")
    assert [step.action for step in demonstration.steps] == ["on", "on", "on"]


def test_environments_are_closed_also_when_nobody_looks_to_the_end(wander):
    demonstration = demonstrate(wander, wander.openings("demonstration")[0], "a")
    assert WanderEnv.closed == 1
    seen = render(wander, demonstration, "text")
    next(seen)
    seen.close()
    assert WanderEnv.closed == 2
    with pytest.raises(PoolError):
        list(render(wander, tampered(demonstration, 1, reward=7.0), "text"))
    assert WanderEnv.closed == 3


def test_an_expert_who_breaks_the_rules_is_named(wander, monkeypatch):
    monkeypatch.setattr(Walker, "says", "off")
    with pytest.raises(ContractError, match="the expert of wander answered 'off': 'off' is not an"):
        demonstrate(wander, wander.openings("demonstration")[0], "a")


def test_an_episode_that_outlasts_its_horizon_is_no_endless_one(wander, monkeypatch):
    monkeypatch.setattr(Wander, "horizon", 2)
    with pytest.raises(ContractError, match="wander did not end at its horizon of 2 steps"):
        demonstrate(wander, wander.openings("demonstration")[0], "a")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_state_digests_are_those_of_states(task):
    env, other = task.make_env(), task.make_env()
    first, second = take(task.openings("evaluation"), 2)
    task.reset(env, first)
    task.reset(other, first)
    assert state_digest(task, env) == state_digest(task, other)
    task.reset(other, second)
    assert state_digest(task, env) != state_digest(task, other)
    assert len(bytes.fromhex(state_digest(task, env))) == 8


def test_a_state_digest_is_that_of_everybody():
    task = TASKS[1]
    env = task.make_env()
    env.reset(options={"opening": {"board": ".o.x..o.x", "chance_seed": 0}})
    assert state_digest(task, env) == "04992ffa34eaef97"
