"""The expert of Phoenix: what it knows, what it leaves alone, and how well it plays."""

import json
from itertools import islice

import numpy as np
import pytest

from icil.tasks import demonstrate, render
from icil.tasks.atari import Phoenix
from icil.tasks.atari.expert import ShotPlanner, Strength
from icil.tasks.players import expert_generator

TASK = Phoenix()
OPENING = TASK.openings("demonstration")[0]
WEAK = Strength(depth=8, commit=2, ways=(2, 5), waits=(2,), changes=2, guesses=1)


@pytest.fixture(scope="module")
def demonstration():
    return demonstrate(TASK, OPENING, "d")


def test_plays_well(demonstration):
    assert demonstration.total >= 200
    assert len(demonstration.steps) == TASK.horizon
    assert not demonstration.terminated


def test_plays_the_same_again(demonstration):
    env, expert = TASK.make_env(), TASK.expert()
    TASK.reset(env, OPENING)
    expert.begin(env)
    for number, step in islice(enumerate(demonstration.steps), 12):
        said = expert.act(env, expert_generator(TASK, OPENING, number))
        assert said == step.action
        TASK.step(env, TASK.parse(said, env).value)
    expert.close()


def test_its_demonstration_renders(demonstration):
    assert len(list(render(TASK, demonstration, "rgb"))) == TASK.horizon


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


def test_one_expert_plays_one_episode_after_another(demonstration):
    expert, env = TASK.expert(), TASK.make_env()
    for index in (1, 0):
        opening = TASK.openings("demonstration")[index]
        TASK.reset(env, opening)
        expert.begin(env)
        for number in range(6):
            said = expert.act(env, expert_generator(TASK, opening, number))
            if index == 0:
                assert said == demonstration.steps[number].action
            env.step(env.actions[said])
    expert.close()


def test_its_settings_are_json():
    settings = dict(TASK.expert().settings)
    assert {"depth", "commit", "patience", "ale_py"} <= set(settings)
    assert json.loads(json.dumps(settings)) == settings
