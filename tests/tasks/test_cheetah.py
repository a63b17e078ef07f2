"""The cheetah: dynamics, openings, formats and replays."""

import json
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from icil.tasks import Opening, OpeningsError, UnknownNameError, UsageError, demonstrate, render
from icil.tasks.cheetah import Cheetah, CheetahEnv, simulation
from icil.tasks.cheetah.expert import Planner
from icil.tasks.conformance import check_task

TASK = Cheetah()
REST = {"position": [-0.1, 0.03, *[0.0] * 6], "velocity": [0.0] * 9}


class Quick(Cheetah):
    """With an expert that thinks for a moment only, and no pictures."""

    formats = ("proprio",)
    image_formats = ()

    def expert(self):
        return Planner(generations=2)


def started(opening=None, task=TASK):
    env = task.make_env()
    if opening is None:
        task.reset(env, task.openings("evaluation")[0])
    else:
        env.reset(options={"opening": opening})
    return env


def random_actions(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 6))


def test_keeps_to_gymnasium():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Gymnasium finds every unbounded space suspect; nothing bounds a velocity.
        warnings.filterwarnings("ignore", message=".*A Box observation space m")
        check_env(CheetahEnv(), skip_render_check=True)


def test_keeps_to_the_contract():
    assert check_task(Quick(), episodes=2) == ()


def test_reset_is_a_function_of_the_seed():
    one, other = CheetahEnv(), CheetahEnv()
    first = [one.reset(seed=s)[0].tolist() for s in range(5)]
    assert first == [other.reset(seed=s)[0].tolist() for s in range(5)]
    assert len({tuple(o) for o in first}) == 5


def test_moves_and_pays_as_dm_control_does():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a display when it is imported
        from dm_control import suite
    theirs = suite.load("cheetah", "run", task_kwargs={"random": 3})
    observed = theirs.reset().observation
    env = started({key: observed[key].tolist() for key in ("position", "velocity")})
    for action in random_actions(100):
        state, reward, *_ = env.step(action)
        seen = theirs.step(action)
        np.testing.assert_allclose(
            state, np.concatenate(list(seen.observation.values())), rtol=0, atol=1e-8
        )
        assert reward == pytest.approx(seen.reward, abs=1e-8)


def test_starts_are_drawn_as_dm_control_draws_them():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dm_control import suite
    theirs = suite.load("cheetah", "run", task_kwargs={"random": 3})
    theirs.task._random = np.random.default_rng(7)
    observed = theirs.reset().observation
    position, velocity = simulation.settle(np.random.default_rng(7))
    np.testing.assert_allclose(position, observed["position"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(velocity, observed["velocity"], rtol=0, atol=1e-8)


def test_an_opening_is_the_first_observation():
    opening = TASK.openings("demonstration")[5]
    env = started(dict(opening.state))
    assert env.state.tolist() == [*opening.state["position"], *opening.state["velocity"]]
    assert env.distance == 0.0


def test_nothing_of_the_episode_before_is_left():
    opening, actions = TASK.openings("evaluation")[1].state, random_actions(30)

    def states(env):
        env.reset(options={"opening": dict(opening)})
        return [env.step(action)[0].tolist() for action in actions]

    fresh, used = CheetahEnv(), started()
    for action in random_actions(50, seed=1):
        used.step(action)
    assert states(fresh) == states(used)


def test_running_pays_and_backing_does_not():
    env = started({"position": REST["position"], "velocity": [5.0, *[0.0] * 8]})
    assert 0.3 < env.step(np.zeros(6))[1] < 0.6
    env = started({"position": REST["position"], "velocity": [-5.0, *[0.0] * 8]})
    assert env.step(np.zeros(6))[1] == 0.0
    env = started({"position": REST["position"], "velocity": [20.0, *[0.0] * 8]})
    assert env.step(np.zeros(6))[1] == 1.0


def test_truncates_at_the_horizon():
    env = started()
    ends = [env.step(np.zeros(6))[2:4] for _ in range(TASK.horizon)]
    assert ends == [(False, False)] * 99 + [(False, True)]
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(6))
    with pytest.raises(ResetNeeded):
        CheetahEnv().step(np.zeros(6))


@pytest.mark.parametrize(
    "opening",
    [
        {},
        {"position": REST["position"]},
        {"position": REST["velocity"], "velocity": REST["velocity"]},
        {"position": REST["position"], "velocity": [0.0] * 8 + [float("nan")]},
        {"position": REST["position"], "velocity": [0.0] * 8 + [float("inf")]},
        {"position": REST["position"], "velocity": [0.0] * 8 + [1e9]},
        {"position": REST["position"], "velocity": ["0"] * 9},
        {"position": REST["position"], "velocity": [[0.0]] * 9},
        {"position": REST["position"], "velocity": [[0.0], *[0.0] * 8]},
        {"position": REST["position"], "velocity": [True] * 9},
        {"position": REST["position"], "velocity": None},
        {"position": "12345678", "velocity": REST["velocity"]},
    ],
)
def test_refuses_openings_that_cannot_be(opening):
    with pytest.raises(OpeningsError, match="opening of cheetah needs"):
        CheetahEnv().reset(options={"opening": opening})


def test_openings_are_many_and_all_different():
    seen = set()
    for split in ("demonstration", "evaluation"):
        source = TASK.openings(split)
        assert source.distinct is None
        for index in range(100):
            opening = source[index]
            assert (opening.split, opening.index) == (split, index)
            assert json.loads(json.dumps(opening.state)) == opening.state
            seen.add(TASK.state_key(started(dict(opening.state))))
    assert len(seen) == 200
    with pytest.raises(OpeningsError):
        TASK.openings("evaluation")[-1]


def test_openings_stay_the_same_whatever_becomes_of_one():
    spoilt = TASK.openings("evaluation")[0]
    spoilt.state["position"][0] = 9.0
    assert TASK.openings("evaluation")[0].state["position"][0] != 9.0


def test_proprio_is_one_line_of_all_digits():
    env = started()
    env.step(random_actions(1)[0])
    shown = TASK.observe(env, "proprio")
    position, velocity = shown.text.split(", velocity ")
    numbers = json.loads(position.removeprefix("position ")) + json.loads(velocity)
    assert numbers == shown.state.tolist() == env.state.tolist()
    assert shown.state.shape == (17,)
    with pytest.raises(UnknownNameError, match="proprio"):
        TASK.observe(env, "propriu")


def test_decimals_are_a_setting():
    task = Cheetah(decimals=2)
    env = started({**REST, "velocity": [-0.001, 1.005, *[0.0] * 7]})
    assert task.observe(env, "proprio").text == (
        "position [-0.10, 0.03, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00], "
        "velocity [0.00, 1.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00]"
    )
    assert task.observe(env, "proprio").state.tolist() == env.state.tolist()
    assert (task.settings, TASK.settings) == ({"decimals": 2}, {})
    for wrong in (-1, 18, 2.0, "2", True):
        with pytest.raises(UsageError, match="decimals"):
            Cheetah(decimals=wrong)


def test_only_pictures_draw(monkeypatch):
    monkeypatch.setattr("icil.tasks.cheetah.task.as_picture", None)
    TASK.observe(started(), "proprio")


def test_importing_needs_nothing_heavy_and_physics_no_graphics():
    code = (
        "import sys, icil.tasks.cheetah as c; assert 'mujoco' not in sys.modules\n"
        "task = c.Cheetah(); env = task.make_env()\n"
        "task.reset(env, task.openings('evaluation')[0]); env.step([0.0] * 6)\n"
        "print(task.observe(env, 'proprio').text)\n"
        "assert not {'OpenGL', 'dm_control', 'mujoco.egl'} & {*sys.modules}"
    )
    env = started()
    env.step(np.zeros(6))
    for back_end in ({}, {"MUJOCO_GL": "nonsense"}):
        done = subprocess.run(
            [sys.executable, "-c", code], env=back_end, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == TASK.observe(env, "proprio").text, done.stderr


def test_a_missing_library_is_named(monkeypatch):
    simulation.model.cache_clear()
    try:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(UsageError, match=r"needs dm_control.*pip install"):
            Cheetah()
        monkeypatch.undo()
        monkeypatch.setitem(sys.modules, "mujoco", None)
        simulation.library.cache_clear()
        with pytest.raises(UsageError, match=r"needs mujoco.*pip install"):
            Cheetah()
    finally:
        monkeypatch.undo()
        simulation.library.cache_clear()
        simulation.model.cache_clear()


@pytest.mark.parametrize("index", [0, 1])
def test_replays_are_exact(index):
    task = Quick()
    demonstration = demonstrate(task, task.openings("demonstration")[index], "d")
    assert demonstration == demonstrate(task, task.openings("demonstration")[index], "d")
    assert len(demonstration.steps) == 100
    assert not demonstration.terminated
    seen = [list(render(task, demonstration, "proprio")) for _ in range(2)]
    assert [o.observation.text for o in seen[0]] == [o.observation.text for o in seen[1]]
    assert len(seen[0]) == 100


def test_other_peoples_openings_are_taken_at_full_length():
    state = {
        "position": [-0.0851, 0.0214, *np.linspace(-0.1, 0.1, 6).tolist()],
        "velocity": np.linspace(-0.1, 0.1, 9).tolist(),
    }
    env = TASK.make_env()
    TASK.reset(env, Opening(split="demonstration", index=0, state={**state, "from": "elsewhere"}))
    assert env.state.tolist() == state["position"] + state["velocity"]


def test_episodes_in_threads_do_not_touch_each_other():
    openings = [TASK.openings("evaluation")[index] for index in range(4)]
    together = threading.Barrier(4)

    def last(opening, wait=False):
        env = TASK.make_env()
        TASK.reset(env, opening)
        if wait:
            together.wait(timeout=30)
        for action in random_actions(100, seed=opening.index):
            env.step(action)
        return env.state.tolist()

    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(lambda opening: last(opening, wait=True), openings))
    assert at_once == list(map(last, openings))


def test_keys_do_not_hang_on_last_bits():
    env, other = started(), started()
    before = TASK.state_key(env)
    other.data.qpos[3] += 1e-12
    assert TASK.state_key(other) == before
    other.data.qpos[3] += 1e-3
    assert TASK.state_key(other) != before
    env.data.qpos[0] += 1.0
    assert TASK.state_key(env) != before
