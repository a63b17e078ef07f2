"""The expert of the cheetah."""

import json

import numpy as np
import pytest

from icil.tasks import demonstrate
from icil.tasks.cheetah import Cheetah
from icil.tasks.cheetah.evolution import maximise
from icil.tasks.cheetah.expert import Planner
from icil.tasks.cheetah.planning import KNOTS, Simulator, Start, played, shipped

TASK = Cheetah()
RNG = np.random.default_rng(0)


def started(index=0):
    env = TASK.make_env()
    TASK.reset(env, TASK.openings("evaluation")[index])
    return env


def follow(expert, env, steps):
    total = 0.0
    for _ in range(steps):
        total += env.step(TASK.parse(expert.act(env, RNG), env).value)[1]
    return total


def test_simulates_bit_for_bit_what_the_environment_does():
    env, actions = started(), np.random.default_rng(1).uniform(-1, 1, (100, 6))
    for first in (0, 40):
        flights = Simulator().play(Start.of(env.data), actions[None, first:])
        for place, action in enumerate(actions[first : 40 if first == 0 else 100]):
            state = np.concatenate((env.data.qpos, env.data.qvel))
            assert flights.states[0, place].tolist() == state.tolist()
            assert env.step(action)[1] == flights.rewards[0, place]


def test_demonstrates_above_the_published_level():
    openings = [TASK.openings("evaluation")[index] for index in range(3)]
    shown = [demonstrate(TASK, opening, "d") for opening in openings]
    assert np.mean([demonstration.total for demonstration in shown]) > 37.4
    for action in (step.action for demonstration in shown for step in demonstration.steps):
        assert all(round(number, 3) == number for number in json.loads(action))


def test_plans_are_functions_of_the_start():
    env, one, other = started(1), Planner(generations=3), Planner(generations=3)
    one.begin(started(2))
    said = []
    for expert in (one, other):
        TASK.reset(env, TASK.openings("evaluation")[1])
        expert.begin(env)
        said.append([expert.act(env, np.random.default_rng(len(said)))])
        for _ in range(10):
            env.step(TASK.parse(said[-1][-1], env).value)
            said[-1].append(expert.act(env, RNG))
    assert said[0] == said[1]


def test_looking_and_planning_leave_the_environment_alone():
    env, expert = started(), Planner(generations=2)
    before = TASK.state_key(env), env.steps, env.data.qacc_warmstart.tolist()
    expert.begin(env)
    expert.act(env, RNG)
    assert before == (TASK.state_key(env), env.steps, env.data.qacc_warmstart.tolist())


def test_goes_on_from_where_somebody_else_has_led():
    """Off its plan, it plans anew, and runs faster than the plan and standing still would."""
    earned = {}
    for name in ("new", "old"):
        env, expert = started(), Planner(generations=2)
        expert.begin(env)
        plan = expert._actions.copy()
        follow(expert, env, 20)
        for _ in range(5):
            env.step(np.ones(6))
        if name == "new":
            earned[name] = follow(expert, env, 75)
        else:
            earned[name] = sum(env.step(action)[1] for action in plan[25:])
    assert earned["new"] > 10
    assert earned["new"] > earned["old"] + 5


def test_planning_never_makes_a_plan_worse():
    env, expert = started(), Planner(generations=2)
    shown = Simulator().returns(Start.of(env.data), played(shipped())).max()
    expert.begin(env)
    assert follow(expert, env, 100) >= shown


def test_acts_in_every_state_with_no_beginning():
    env, expert = started(), Planner(generations=1)
    for step in range(100):
        if step in (0, 1, 50, 98, 99):
            assert TASK.parse(expert.act(env, RNG), env).status == "ok"
        env.step(np.zeros(6))


def test_settings_are_json_and_say_what_it_was():
    settings = Planner(generations=7).settings
    assert json.loads(json.dumps(settings)) == settings
    assert settings["rollouts"] == 7 * 24
    assert {"mujoco", "dm_control", "plans_sha256", "action_decimals"} < {*settings}


def test_plans_that_ship_are_good_from_many_starts():
    plans = shipped()
    assert plans.shape[1:] == (KNOTS, 6)
    simulator, actions = Simulator(), played(plans)
    earned = [simulator.returns(Start.of(started(i).data), actions).max() for i in range(20)]
    assert np.mean(earned) > 30


def test_evolution_finds_the_top_and_never_loses_the_start():
    top = np.linspace(-1, 1, 8)
    weights = np.arange(1.0, 9.0)

    def score(points):
        return -(weights * (points - top) ** 2).sum(axis=1)

    found = [
        maximise(
            score,
            np.zeros(8),
            step=0.3,
            population=12,
            generations=generations,
            rng=np.random.default_rng(0),
        )
        for generations in (0, 10, 150)
    ]
    assert found[0].tolist() == [0.0] * 8
    assert score(found[1][None]) > score(np.zeros((1, 8)))
    assert found[2] == pytest.approx(top, abs=1e-4)
