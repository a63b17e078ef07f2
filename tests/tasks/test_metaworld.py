"""Meta-World: dynamics, scores, formats, views and the scripted experts."""

import warnings

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from icil.tasks import OpeningsError, UnknownNameError, UsageError, make
from icil.tasks.conformance import check_task
from icil.tasks.demonstrations import demonstrate, replay
from icil.tasks.metaworld import MetaWorld
from icil.tasks.metaworld.instructions import INSTRUCTIONS
from icil.tasks.metaworld.library import library
from icil.tasks.mujoco_pictures import back_end
from icil.tasks.pools import load_pool, shipped_pool
from icil.tasks.references import load_references

try:
    library()
except UsageError as error:
    pytest.skip(str(error), allow_module_level=True)

SHIPPED = ("metaworld/push-v3", "metaworld/reach-v3")


class Wordy(MetaWorld):
    """Without pictures."""

    formats = ("proprio",)
    image_formats = ()


def started(name="reach-v3", number=0, **settings):
    task = MetaWorld(name, **settings)
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


def test_keeps_to_the_contract():
    assert check_task(Wordy("reach-v3", horizon=60), "metaworld/reach-v3", episodes=2) == ()


def test_moves_and_pays_as_the_library_does():
    task, env = started("push-v3", score="reward")
    theirs = library().worlds["push-v3"]()
    theirs._set_task_called, theirs._freeze_rand_vec = True, False
    theirs.seeded_rand_vec, theirs._partially_observable = True, False
    vars(theirs).pop("sawyer_observation_space", None)  # worked out with the goal hidden
    theirs.seed(task.openings("evaluation")[0].state["seed"])
    np.testing.assert_array_equal(env.numbers, theirs.reset()[0])
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 4)):
        numbers, reward, *_ = env.step(action)
        seen, paid, *_ = theirs.step(action)
        np.testing.assert_array_equal(numbers, seen)
        assert reward == paid
    assert np.ptp(env.numbers[36:39]) > 0  # the goal is seen
    env.close()
    theirs.close()


@pytest.mark.parametrize("score", ["success_any", "success_last"])
def test_a_goal_that_is_met_pays_once(score):
    rewards, met = play(*started(score=score))
    assert len(rewards) == 200
    assert sum(met) > 50
    assert sum(rewards) == 1
    assert rewards.index(1) == (met.index(True) if score == "success_any" else 199)


def test_a_goal_that_is_lost_again_counts_for_the_first_score_alone():
    totals = {}
    for score in ("success_any", "success_last"):
        rewards, met = play(*started("door-open-v3", score=score))
        totals[score] = sum(rewards)
        assert any(met)
        assert not met[-1]
    assert totals == {"success_any": 1, "success_last": 0}


def test_a_goal_that_is_met_twice_pays_once(monkeypatch):
    task, env = started(horizon=4)
    step, answers = env.inner.step, iter([1.0, 0.0, 1.0, 1.0])
    monkeypatch.setattr(
        env.inner, "step", lambda action: (*step(action)[:4], {"success": next(answers)})
    )
    assert [task.step(env, np.zeros(4)).reward for _ in range(4)] == [1, 0, 0, 0]
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(4))
    env.close()


def test_a_state_reads_as_one_line_of_what_is_there():
    task, env = started()
    words = task.observe(env, "proprio").text
    assert words.startswith("hand [0.005, 0.601, 0.195], gripper 1.000, object [")
    assert words.count("object") == 1
    assert words.endswith("goal [-0.066, 0.869, 0.192]")
    numbers = env.numbers.copy()
    numbers[11:18] = 0.5
    assert task.word_state(numbers).text.count("object") == 2
    exact = MetaWorld("reach-v3", decimals=None).word_state(env.numbers).text
    assert repr(float(env.numbers[0])) in exact
    with pytest.raises(UsageError, match="39 numbers"):
        task.word_state(np.zeros(4))
    env.close()


def test_actions_keep_the_digits_they_were_said_with():
    task, env = started()
    assert task.parse("[0.1234, 1, -0.5, 0]", env).action == "[0.1234, 1.0, -0.5, 0.0]"
    assert task.parse("[0.1, 1.5, 0, 0]", env).status == "invalid"
    assert task.word(np.array([0.25, -2, 0, 0])) == "[0.25, -1.0, 0.0, 0.0]"
    said = task.expert().act(env, np.random.default_rng(0))
    assert task.parse(said, env).action == said
    env.close()


def test_the_scripts_are_asked_without_a_warning():
    _, env = started("pick-place-v3")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expert = MetaWorld("pick-place-v3").expert()
        for _ in range(5):
            expert.act(env, np.random.default_rng(0))
    env.close()


def test_demonstrations_replay():
    task = MetaWorld("drawer-close-v3", horizon=90)
    shown = demonstrate(task, task.openings("demonstration")[0], "0")
    assert shown.total == 1
    assert sum(1 for _ in replay(task, shown)) == 90


def test_views_are_right_side_up():
    task, env = started()
    try:
        back_end("the arm")
        views = {name: task.frame(env, name).astype(float) for name in ("corner2", "topview")}
    except UsageError as error:
        pytest.skip(str(error))
    for view in views.values():
        assert view.shape == (224, 224, 3)
    corner = views["corner2"]
    red = (corner[..., 0] > 80) & (corner[..., 1] < 60) & (corner[..., 2] < 60)
    rows = np.flatnonzero(red.any(axis=1))
    # The arm reaches from above down to the table, whose floor lies brighter below.
    assert rows.mean() < 130
    assert corner[-20:].mean() > corner[:20].mean()
    assert np.array_equal(task.observe(env, "rgb").image, task.frame(env, "corner2"))
    with pytest.raises(UnknownNameError, match="corner2"):
        task.frame(env, "corner22")
    env.close()


def test_names_scores_and_settings_are_checked():
    with pytest.raises(UnknownNameError, match="reach-v3"):
        make("metaworld/reach-v2")
    with pytest.raises(UnknownNameError, match="success_any"):
        MetaWorld("reach-v3", score="succes")
    with pytest.raises(UnknownNameError, match="gripperPOV"):
        MetaWorld("reach-v3", camera="gripper")
    for wrong in ({"horizon": 501}, {"decimals": -1}):
        with pytest.raises(UsageError, match="whole number"):
            MetaWorld("reach-v3", **wrong)
    assert MetaWorld("reach-v3").views[:2] == ("corner2", "gripperPOV")
    near = MetaWorld("reach-v3", camera="gripperPOV").views  # policies are given the main one
    assert near[:2] == ("gripperPOV", "corner2")
    assert len(set(near)) == len(near) == 7
    told = make("metaworld/reach-v3", {"score": "reward", "horizon": 50}).settings
    assert told == {"score": "reward", "horizon": 50}


@pytest.mark.parametrize("opening", [{}, {"seed": -1}, {"seed": 2**31}, {"seed": "x"}])
def test_an_opening_is_a_seed(opening):
    env = MetaWorld("reach-v3").make_env()
    with pytest.raises(OpeningsError, match="Meta-World has a seed"):
        env.reset(options={"opening": opening})
    env.close()


def test_every_task_has_an_expert_and_an_instruction():
    assert set(library().worlds) == set(library().experts) == set(INSTRUCTIONS)
    assert len(set(INSTRUCTIONS.values())) == len(INSTRUCTIONS)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_solved(name):
    task, pool = make(name), load_pool(shipped_pool(name))
    assert (pool.card.task, pool.card.task_version) == (name, task.version)
    assert {d.total for d in pool.demonstrations} == {1.0}
    lines = load_references(task)
    expert, random = (
        np.mean([d.total for d in lines[player].values()]) for player in ("expert", "random")
    )
    assert expert > 0.95
    assert random < 0.3
