"""Fetch: dynamics, scores, formats, views and the scripts."""

import json
import subprocess
import sys

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from icil.tasks import OpeningsError, UnknownNameError, UsageError, make
from icil.tasks.conformance import check_task
from icil.tasks.demonstrations import demonstrate, replay
from icil.tasks.fetch import Fetch
from icil.tasks.fetch.library import INSTRUCTIONS, library
from icil.tasks.mujoco_pictures import back_end

try:
    library()
except UsageError as error:
    pytest.skip(str(error), allow_module_level=True)

TASKS = tuple(sorted(INSTRUCTIONS))
SCRIPTED = ("pick-and-place", "push", "reach")
TELL = """
import json, sys
import numpy as np
from icil.tasks import make

task = make(sys.argv[1])
env = task.make_env()
task.reset(env, task.openings("evaluation")[2])
seen = [task.observe(env, "proprio").text]
for action in np.random.default_rng(0).uniform(-1, 1, (30, 4)):
    task.step(env, action)
    seen.append(env.numbers.tolist())
json.dump(seen, sys.stdout)
"""


class Wordy(Fetch):
    """Without pictures."""

    formats = ("proprio",)
    image_formats = ()


def started(name="push", number=0, **settings):
    task = Fetch(name, **settings)
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[number])
    return task, env


def play(task, env):
    """Lets the expert play to the end; returns the rewards and whether the goal was met."""
    expert, rewards, met, over = task.expert(), [], [], False
    while not over:
        said = task.parse(expert.act(env, np.random.default_rng(0)), env)
        done = task.step(env, said.value)
        rewards.append(done.reward)
        met.append(done.success)
        over = done.truncated
    env.close()
    return rewards, met


def told(name):
    done = subprocess.run(
        [sys.executable, "-c", TELL, name], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""  # the library greets whoever imports it
    return json.loads(done.stdout)


def actions(count=30):
    return np.random.default_rng(0).uniform(-1, 1, (count, 4))


@pytest.mark.parametrize("name", ["pick-and-place", "reach", "slide"])
def test_keeps_to_the_contract(name):
    assert check_task(Wordy(name), f"fetch/{name}", episodes=2) == ()


@pytest.mark.parametrize("name", TASKS)
def test_moves_and_pays_as_the_library_does(name):
    task, env = started(name, score="reward")
    theirs = library()[name]()
    seen, _ = theirs.reset(seed=task.openings("evaluation")[0].state["seed"])
    rewards = set()
    for action in actions():
        np.testing.assert_array_equal(env.numbers[:-3], seen["observation"])
        np.testing.assert_array_equal(env.numbers[-3:], seen["desired_goal"])
        numbers, reward, _, _, info = env.step(action)
        seen, paid, _, _, found = theirs.step(action)
        assert (reward, info["success"]) == (paid, bool(found["is_success"]))
        rewards.add(reward)
    assert numbers.shape == env.observation_space.shape
    assert rewards <= {-1.0, 0.0}
    env.close()
    theirs.close()


@pytest.mark.parametrize("name", SCRIPTED)
def test_the_scripts_meet_the_goal_and_stay(name):
    for number in range(8):
        rewards, met = play(*started(name, number))
        assert len(rewards) == 50
        assert sum(rewards) == 1
        assert rewards.index(1) == met.index(True) < 35
        assert met[-1]


@pytest.mark.parametrize("name", SCRIPTED)
def test_what_a_script_does_is_a_function_of_what_is_seen(name):
    task, env = started(name)
    other = task.make_env()
    for number in (0, 1):
        task.reset(env, task.openings("evaluation")[number])
        expert = task.expert()
        for step in range(12):
            said = expert.act(env, np.random.default_rng(step))
            other.numbers = task.proprio(env).copy()
            assert task.expert().act(other, np.random.default_rng(99)) == said
            assert task.parse(said, env).action == said
            task.step(env, task.parse(said, env).value)
    env.close()
    other.close()


def test_a_goal_that_is_lost_again_counts_for_the_first_score_alone():
    totals = {}
    for score in ("success_any", "success_last"):
        task, env = started("reach", score=score)
        expert, met = task.expert(), []
        rewards = []
        for step in range(50):
            said = expert.act(env, np.random.default_rng(0)) if step < 10 else "[-1, -1, 1, 0]"
            done = task.step(env, task.parse(said, env).value)
            rewards.append(done.reward)
            met.append(done.success)
        totals[score] = sum(rewards)
        assert met[9]
        assert not met[-1]
        with pytest.raises(ResetNeeded):
            env.step(np.zeros(4))
        env.close()
    assert totals == {"success_any": 1, "success_last": 0}


@pytest.mark.parametrize("name", ["fetch/push", "fetch/slide"])
def test_openings_and_actions_determine_an_episode_in_any_process(name):
    first = told(name)
    assert told(name) == first
    task = make(name)
    env = task.make_env()
    task.reset(env, task.openings("demonstration")[5])
    for action in actions(9):
        task.step(env, action)  # what was played before leaves no trace
    task.reset(env, task.openings("evaluation")[2])
    assert task.observe(env, "proprio").text == first[0]
    for action, numbers in zip(actions(), first[1:], strict=True):
        task.step(env, action)
        assert env.numbers.tolist() == numbers
    env.close()


def test_demonstrations_replay():
    task = Fetch("pick-and-place")
    shown = demonstrate(task, task.openings("demonstration")[0], "0")
    assert shown.total == 1
    assert sum(1 for _ in replay(task, shown)) == 50


def test_a_state_reads_as_one_line_of_what_is_there():
    reach, env = started("reach", 1)
    words = reach.observe(env, "proprio").text
    assert words == "hand [1.342, 0.749, 0.535], gripper 0.000, goal [1.388, 0.892, 0.455]"
    env.close()
    push, env = started("push", 1)
    words = push.observe(env, "proprio").text
    assert "object [1.468, 0.662, 0.425, 0.000, 0.000, 0.000], goal [1.400, " in words
    np.testing.assert_array_equal(push.observe(env, "proprio").state, push.proprio(env))
    exact = Fetch("push", decimals=None).word_state(env.numbers).text
    assert repr(float(env.numbers[3])) in exact
    with pytest.raises(UsageError, match="13 numbers"):
        reach.word_state(env.numbers)
    env.close()


def test_the_gripper_is_shown_open_and_shut():
    task, env = started("pick-and-place")
    widths = []
    for told_to in (1.0, -1.0):
        for _ in range(8):
            task.step(env, np.array([0, 0, 0, told_to]))
        widths.append(float(task.observe(env, "proprio").text.split("gripper ")[1].split(",")[0]))
    assert widths[0] > 0.05 > 0.01 > widths[1]
    env.close()


def test_pictures_show_the_goal_and_change_nothing():
    task, env = started("push", 1)
    _, plain = started("push", 1)
    try:
        back_end("the arm")
        first = task.observe(env, "rgb").image
    except UsageError as error:
        pytest.skip(str(error))
    for action in actions(10):
        task.step(env, action)
        task.step(plain, action)
        views = {camera: task.frame(env, camera) for camera in task.views}
        np.testing.assert_array_equal(env.numbers, plain.numbers)
    assert tuple(views) == ("side", "external_camera_0", "library")
    assert len({view.tobytes() for view in views.values()}) == 3
    for view in (first, views["side"]):
        assert view.shape == (224, 224, 3)
        red = (view[..., 0] > 120) & (view[..., 1:].max(axis=2) < 60)
        assert 10 < red.sum() < 100
        # It lies on the table, in the left half before the hand.
        rows, columns = np.nonzero(red)
        assert 100 < rows.mean() < 180
        assert 60 < columns.mean() < 160
    assert np.array_equal(task.observe(env, "rgb").image, views["side"])
    with pytest.raises(UnknownNameError, match="side"):
        task.frame(env, "sid")
    env.close()
    plain.close()


def test_names_scores_and_settings_are_checked():
    with pytest.raises(UnknownNameError, match="did you mean 'reach'"):
        make("fetch/reech")
    with pytest.raises(UsageError, match="fetch/TASK"):
        make("fetch/")
    with pytest.raises(UnknownNameError, match="success_any"):
        Fetch("reach", score="succes")
    with pytest.raises(UnknownNameError, match="side"):
        Fetch("reach", camera="sid")
    with pytest.raises(UnknownNameError, match="horizon"):
        make("fetch/reach", {"horizn": 3})
    for wrong in ({"horizon": 501}, {"decimals": -1}):
        with pytest.raises(UsageError, match="whole number"):
            Fetch("reach", **wrong)
    given = {"score": "reward", "horizon": 20, "camera": "library"}
    assert make("fetch/reach", given).settings == given
    assert make("fetch/reach").settings == {}


def test_where_the_library_is_missing_a_name_says_what_to_install(monkeypatch):
    library.cache_clear()
    for module in [name for name in sys.modules if name.startswith("gymnasium_robotics")]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=r"pip install 'icil\[robots\]'"):
        make("fetch/push")
    library.cache_clear()


@pytest.mark.parametrize("opening", [{}, {"seed": -1}, {"seed": 2**31}, {"seed": "x"}])
def test_an_opening_is_a_seed(opening):
    env = Fetch("reach").make_env()
    with pytest.raises(OpeningsError, match="Fetch has a seed"):
        env.reset(options={"opening": opening})
    env.close()


def test_every_task_has_an_instruction_and_slide_no_expert():
    assert set(library()) == set(INSTRUCTIONS)
    assert [name for name in TASKS if make(f"fetch/{name}").has_expert] == list(SCRIPTED)
    with pytest.raises(UsageError, match="fetch/slide has no expert"):
        make("fetch/slide").expert()
