"""The planner of Push-T: the shape it reasons about, its pushes, and what it achieves."""

import math
from itertools import pairwise

import numpy as np
import pytest

from icil.tasks import UsageError
from icil.tasks.pools import load_pool, shipped_pool
from icil.tasks.pusht import PushT, PushTEnv
from icil.tasks.pusht.expert import PushPlanner
from icil.tasks.pusht.library import library
from icil.tasks.pusht.planning import Effort
from icil.tasks.pusht.pushes import carry_out, draw
from icil.tasks.pusht.shape import GOAL, OUTLINE, RADIUS, Pose, coverage, distance, is_clear, way
from icil.tasks.pusht.simulation import Simulator
from icil.tasks.references import load_references

try:
    library()
except UsageError as error:
    pytest.skip(str(error), allow_module_level=True)

QUICK = Effort(beam=3, pushes=60, variations=30)


def started(seed, **settings):
    env = PushTEnv(100, **settings)
    env.reset(options={"opening": {"seed": seed}})
    return env


def play(env, expert):
    """Plays an episode on and returns its return, and whether it was solved in the end."""
    total, over, info = 0.0, False, {}
    task = PushT()
    while not over:
        said = task.parse(expert.act(env, np.random.default_rng(0)), env)
        assert said.status == "ok"
        _, reward, terminated, truncated, info = env.step(said.value)
        total, over = total + reward, terminated or truncated
    return total, info["success"]


def test_a_block_on_its_target_covers_it():
    assert distance(GOAL) == 0
    assert coverage(GOAL) == pytest.approx(1)
    assert coverage(Pose(GOAL.x, GOAL.y, GOAL.angle + math.pi)) < 0.5
    aside = Pose(GOAL.x + 3, GOAL.y + 4, GOAL.angle)
    assert distance(aside) == pytest.approx(5)
    assert 0.5 < coverage(aside) < 0.95


def test_points_of_the_block_are_found_on_the_table_and_back():
    pose = Pose(300, 200, 2.5)
    for corner in OUTLINE:
        assert pose.local(*pose.point(*corner)) == pytest.approx(corner)


def test_ways_around_the_block_do_not_touch_it():
    rng = np.random.default_rng(0)
    tried = 0
    while tried < 50:
        start, end = rng.uniform(-180, 240, (2, 2)).tolist()
        if not (is_clear(*start) and is_clear(*end)):
            continue
        tried += 1
        points = [start, *way(tuple(start), tuple(end))]
        assert points[-1] == tuple(end)
        for (x, y), (to_x, to_y) in pairwise(points):
            for share in np.linspace(0, 1, 50):
                at = x + share * (to_x - x), y + share * (to_y - y)
                assert is_clear(*at, margin=RADIUS + 1)


def test_a_pusher_that_touches_the_block_is_led_away_first():
    first, *_, last = way((0.0, -RADIUS), (0.0, 150.0))
    assert is_clear(*first)
    assert last == (0.0, 150.0)


def test_a_table_put_into_an_opening_moves_as_the_world_does():
    env, table = started(3), Simulator()
    for _ in range(2):  # what was simulated before is forgotten
        state = env.state
        table.put(state)
        assert state == env.state
    for target in np.repeat(np.random.default_rng(0).uniform(100, 400, (12, 2)), 5, axis=0):
        state = table.step(state, tuple(target.tolist()))
        env.step(target)
        np.testing.assert_allclose(
            (*state[:4], *state.pose), (*env.state[:4], *env.state.pose), rtol=0, atol=1e-9
        )


def test_pushes_move_the_block():
    env, table, rng = started(3), Simulator(), np.random.default_rng(1)
    moved = 0
    for _ in range(20):
        states = [state for _, state in carry_out(draw(rng, 100.0), env.state, table, 45)]
        moved += bool(states) and math.dist(states[-1].pose[:2], env.state.pose[:2]) > 1
    assert moved >= 10


def test_reaches_the_target_and_plans_the_same_each_time():
    returns = []
    for seed in (2, 3, 4):
        expert, env = PushPlanner(QUICK), started(seed)
        expert.begin(env)
        returns.append(play(env, expert)[0])
        other = PushPlanner(QUICK)
        other.begin(again := started(seed))
        assert other.act(again, np.random.default_rng(7)) == other.act(
            again, np.random.default_rng(8)
        )
    assert sum(total > 0.999 for total in returns) >= 2


def test_goes_on_from_where_somebody_else_went():
    expert, env = PushPlanner(QUICK), started(4)
    expert.begin(env)
    for target in np.random.default_rng(0).uniform(150, 350, (10, 2)):
        env.step(target)
    assert play(env, expert)[0] > 0.6


def test_lets_the_block_be_once_it_is_there():
    env = started(4, score="success_last")
    expert = PushPlanner(QUICK)
    expert.begin(env)
    total, solved = play(env, expert)
    assert (total, solved) == (1.0, True)


def test_what_ships_is_solved():
    task = PushT()
    pool = load_pool(shipped_pool("pusht"))
    assert (pool.card.task_version, pool.card.expert) == (task.version, "planner")
    assert np.mean([d.total > 0.999 for d in pool.demonstrations]) > 0.9
    lines = load_references(task)
    expert, random = (
        np.mean([d.total for d in lines[player].values()]) for player in ("expert", "random")
    )
    assert expert > 0.95
    assert random < 0.3
