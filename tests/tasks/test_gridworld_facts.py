"""The grid world's exact figures, from its own dynamics, and what sampling makes of them."""

from collections import Counter
from math import comb

import numpy as np
import pytest

from icil.tasks import demonstrate, sample_action
from icil.tasks.gridworld import Gridworld
from icil.tasks.gridworld.env import FREE_CELLS

TASK = Gridworld()
ACTIONS = TASK.legal_actions(TASK.make_env())
NUMBER = {cell: number for number, cell in enumerate(FREE_CELLS)}


@pytest.fixture(scope="module")
def following():
    """For each target, player and action: the player's next cell, by the env's own steps."""
    env = TASK.make_env()
    following = np.zeros((100, 100, 4), dtype=np.intp)
    for target in FREE_CELLS:
        for player in FREE_CELLS:
            if player == target:
                continue
            opening = {"player": list(player), "target": list(target)}
            for action in range(4):
                env.reset(options={"opening": opening})
                _, reward, terminated, _, _ = env.step(action)
                assert terminated == (reward == 1.0) == (env.player == target)
                following[NUMBER[target], NUMBER[player], action] = NUMBER[env.player]
    return following


@pytest.fixture(scope="module")
def distance(following):
    """For each target and player: the number of steps that it takes."""
    targets = np.arange(100)[:, None, None]
    steps = np.full((100, 100), np.inf)
    np.fill_diagonal(steps, 0)
    for _ in range(25):
        best = 1 + steps[targets, following].min(axis=2)
        np.fill_diagonal(best, 0)
        steps = best
    return steps


def test_random_player(following):
    targets = np.arange(100)[:, None, None]
    reached = np.eye(100)
    for _ in range(TASK.horizon):
        reached = reached[targets, following].mean(axis=2)
        np.fill_diagonal(reached, 1)
    assert reached[~np.eye(100, dtype=bool)].mean() == pytest.approx(0.12397502, abs=5e-9)


def test_shortest_paths(distance):
    lengths = distance[~np.eye(100, dtype=bool)]
    assert len(lengths) == 9900
    assert lengths.mean() == pytest.approx(20 / 3)
    assert lengths.max() == 18 <= TASK.horizon


def test_random_player_sampled_on_evaluation_openings():
    rng, env, source = np.random.default_rng(5), TASK.make_env(), TASK.openings("evaluation")
    returns = []
    for index in range(1500):
        TASK.reset(env, source[index])
        total, over = 0.0, False
        while not over:
            action = sample_action(TASK.legal_actions(env), rng)
            _, reward, terminated, truncated, _ = env.step(TASK.parse(action, env).value)
            total, over = total + reward, terminated or truncated
        returns.append(total)
    assert np.mean(returns) == pytest.approx(0.124, abs=4 * np.std(returns) / len(returns) ** 0.5)


def test_expert_comes_nearer_in_every_state(distance):
    rng, env, expert = np.random.default_rng(0), TASK.make_env(), TASK.expert()
    for player in FREE_CELLS:
        for target in FREE_CELLS:
            if player == target:
                continue
            env.reset(options={"opening": {"player": list(player), "target": list(target)}})
            env.step(TASK.parse(expert.act(env, rng), env).value)
            to = distance[NUMBER[target]]
            assert to[NUMBER[env.player]] == to[NUMBER[player]] - 1


def test_expert_demonstrates_shortest_paths_on_evaluation_openings(distance):
    source = TASK.openings("evaluation")
    for index in range(200):
        opening = source[index]
        demonstration = demonstrate(TASK, opening, "d")
        start, end = tuple(opening.state["player"]), tuple(opening.state["target"])
        assert demonstration.total == 1.0
        assert len(demonstration.steps) == distance[NUMBER[end], NUMBER[start]]


def test_expert_walks_every_shortest_path_equally_often():
    rng, env, expert = np.random.default_rng(2), TASK.make_env(), TASK.expert()
    walks, paths = 4000, comb(5, 2)
    counts = Counter()
    for _ in range(walks):
        env.reset(options={"opening": {"player": [6, 3], "target": [4, 6]}})
        walk, over = [], False
        while not over:
            walk.append(expert.act(env, rng))
            over = env.step(TASK.parse(walk[-1], env).value)[2]
        assert sorted(walk) == ["right"] * 3 + ["up"] * 2
        counts[tuple(walk)] += 1
    assert len(counts) == paths
    share = 1 / paths
    error = (walks * share * (1 - share)) ** 0.5
    assert all(abs(count - walks * share) < 5 * error for count in counts.values())
