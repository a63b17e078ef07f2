"""The expert of Phoenix: what it knows, what it leaves alone, and how well it plays."""

import json
from itertools import islice

import numpy as np
import pytest

from icil.tasks import load_pool_for, render
from icil.tasks.atari import Phoenix
from icil.tasks.atari.expert import ShotPlanner, Strength
from icil.tasks.players import expert_generator

TASK = Phoenix()
OPENING = TASK.openings("demonstration")[0]
WEAK = Strength(depth=8, commit=2, ways=(2, 5), waits=(2,), changes=2, guesses=1)


@pytest.fixture(scope="module")
def recorded():
    """The first demonstrations of the pool that ships."""
    return load_pool_for(TASK).demonstrations[:2]


def test_plays_as_in_the_pool_that_ships(recorded):
    expert, env = TASK.expert(), TASK.make_env()
    for demonstration in recorded[::-1]:
        opening = demonstration.opening
        TASK.reset(env, opening)
        expert.begin(env)
        for number, step in islice(enumerate(demonstration.steps), 12):
            said = expert.act(env, expert_generator(TASK, opening, number))
            assert said == step.action
            TASK.step(env, TASK.parse(said, env).value)
    expert.close()


def test_the_pool_that_ships_renders(recorded):
    assert len(list(render(TASK, recorded[0], "rgb"))) == TASK.horizon


def test_plays_well_even_when_it_thinks_little():
    env, expert, returns = TASK.make_env(), ShotPlanner(WEAK), []
    for index in range(2):
        opening = TASK.openings("demonstration")[index]
        TASK.reset(env, opening)
        expert.begin(env)
        rewards = []
        while env.steps_left:
            said = expert.act(env, expert_generator(TASK, opening, len(rewards)))
            rewards.append(TASK.step(env, TASK.parse(said, env).value).reward)
        returns.append(sum(rewards))
    expert.close()
    assert min(returns) >= 200  # random play has 90


def test_leaves_the_game_as_it_was():
    actions = np.random.default_rng(2).integers(8, size=TASK.horizon)
    games = []
    for asked in (False, True):
        env, expert, steps = TASK.make_env(), ShotPlanner(WEAK), []
        TASK.reset(env, OPENING)
        expert.begin(env)
        for number, action in enumerate(actions):
            if asked:
                before = env.frame()
                expert.act(env, expert_generator(TASK, OPENING, number))
                np.testing.assert_array_equal(env.frame(), before)
            memory, *rest = env.step(action)
            steps.append((memory.tobytes(), env.frame().tobytes(), *rest[:3]))
        expert.close()
        games.append(steps)
    assert games[0] == games[1]


def test_does_not_know_what_will_be_repeated():
    said = []
    for stuck in (False, True):
        env, expert = TASK.make_env(), ShotPlanner(WEAK)
        TASK.reset(env, OPENING)
        env._stuck = [[stuck] * 4] * TASK.horizon
        expert.begin(env)
        said.append(expert.act(env, expert_generator(TASK, OPENING, 0)))
        assert expert._plan
        said.append(expert._plan)
        expert.close()
    assert said[:2] == said[2:]


def test_does_nothing_while_the_ship_explodes():
    env, expert = TASK.make_env(), ShotPlanner(WEAK)
    TASK.reset(env, OPENING)
    expert.begin(env)
    while not env.step(env.actions["NOOP"])[0][15] & 0x80:
        assert env.steps_left
    assert expert.act(env, np.random.default_rng(0)) == "NOOP"
    expert.close()


def test_its_settings_are_json():
    settings = dict(TASK.expert().settings)
    assert {"depth", "commit", "patience", "ale_py"} <= set(settings)
    assert json.loads(json.dumps(settings)) == settings
