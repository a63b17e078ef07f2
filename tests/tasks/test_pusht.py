"""Push-T: dynamics, openings, scores, formats and replays."""

import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from icil.harness.planning.experiment import Experiment
from icil.harness.planning.plan import make_plan
from icil.tasks import OpeningsError, UnknownNameError, UsageError, make
from icil.tasks.conformance import check_task
from icil.tasks.demonstrations import demonstrate, render
from icil.tasks.pusht import PushT, PushTEnv
from icil.tasks.pusht.expert import PushPlanner
from icil.tasks.pusht.library import library
from icil.tasks.pusht.planning import Effort

try:
    library()
except UsageError as error:
    pytest.skip(str(error), allow_module_level=True)

TASK = PushT()
QUICK = Effort(beam=2, pushes=20, variations=5, depth=3)
SOLVING = {"pusher": [100, 100], "block": [256, 256], "angle": np.pi / 4}


class Quick(PushT):
    """With an expert that tries little."""

    def expert(self):
        return PushPlanner(QUICK)


def started(opening=None, **settings):
    env = PushT(**settings).make_env()
    env.reset(options={"opening": opening or {"seed": 3}})
    return env


def targets(count, seed=0):
    return np.random.default_rng(seed).uniform(0, 512, (count, 2))


def theirs(seed):
    env = library()(obs_type="state")
    env.reset(seed=seed)
    return env


def test_keeps_to_the_contract():
    assert check_task(Quick(horizon=40), episodes=2) == ()


def test_moves_and_covers_as_gym_pusht_does():
    env, other, best, total = started({"seed": 23}), theirs(23), 0.0, 0.0
    np.testing.assert_array_equal(env.numbers, other.get_obs())
    for target in np.repeat(targets(20), 5, axis=0):
        numbers, reward, over, *_ = env.step(target)
        seen, covered, solved, *_ = other.step(target)
        np.testing.assert_array_equal(numbers, seen)
        best, total = max(best, covered), total + reward
        assert total == pytest.approx(best, abs=1e-9)
        assert over == solved
    assert best > 0


def test_an_opening_says_where_things_lie():
    env = started({"pusher": [100, 120.5], "block": [300, 200], "angle": 0.5})
    np.testing.assert_allclose(env.numbers, [100, 120.5, 300, 200, 0.5], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "opening",
    [
        {"seed": "one"},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": True},
        {"pusher": [1, 2]},
        {"pusher": [1, 2], "block": [3], "angle": 0},
        {"pusher": [1, 2], "block": [3, 600], "angle": 0},
        {"pusher": [1, 2], "block": [3, 4], "angle": float("nan")},
        {"pusher": [1, 2], "block": [3, 4], "angle": "north"},
    ],
)
def test_an_opening_that_cannot_be_is_refused(opening):
    with pytest.raises(OpeningsError, match="pusht"):
        started(opening)


@pytest.mark.parametrize(
    ("score", "paid", "ends"),
    [
        ("coverage", [1.0], True),
        ("success_any", [1.0], True),
        ("coverage_last", [0.0, 0.0, 1.0], False),
        ("success_last", [0.0, 0.0, 1.0], False),
    ],
)
def test_what_each_score_pays_where_the_target_is_covered(score, paid, ends):
    env = started(SOLVING, score=score, horizon=3)
    for number, expected in enumerate(paid):
        _, reward, terminated, truncated, info = env.step(np.array([100.0, 100.0]))
        assert reward == pytest.approx(expected)
        assert info["success"]
        assert (terminated, truncated) == (ends, not ends and number == 2)
    with pytest.raises(ResetNeeded):
        env.step(np.array([100.0, 100.0]))


def test_the_last_step_alone_counts_where_the_score_says_so():
    pushed = [*[np.array([256.0, 256.0])] * 9, np.array([256.0, 256.0])]
    met = {}
    for score in ("success_last", "coverage_last"):
        env = started(SOLVING, score=score, horizon=len(pushed))
        answers = [env.step(target) for target in pushed]
        met[score] = [info["success"] for *_, info in answers]
        total = sum(reward for _, reward, *_ in answers)
        assert total == pytest.approx(answers[-1][1])
        assert total < 1.0
    assert met["success_last"][0]
    assert not met["success_last"][-1]


def test_numbers_are_rounded_as_they_are_set():
    env = started({"pusher": [100, 120.25], "block": [300, 200], "angle": 0.5})
    shown = TASK.observe(env, "proprio")
    assert shown.text == "pusher [100.0, 120.2], block [300.0, 200.0], angle 0.500"
    assert PushT(decimals=0).observe(env, "proprio").text.endswith("angle 0.50")
    words = PushT(decimals=None).observe(env, "proprio").text
    exact = json.loads(f"[{words.partition('[')[2].partition(']')[0]}]")
    assert exact == env.numbers[:2].tolist()
    with pytest.raises(UsageError, match="5 numbers"):
        TASK.word_state(np.zeros(4))


def test_pictures_show_target_block_and_pusher_the_same_in_every_thread():
    env = started({"pusher": [50, 50], "block": [256, 256], "angle": np.pi / 4 + np.pi})
    picture = TASK.observe(env, "rgb").image
    assert picture.shape == (224, 224, 3)
    seen = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
    assert {(144, 238, 144), (255, 255, 255)} <= seen  # the target, the table
    red, green, blue = picture[22, 22].tolist()  # the pusher: 50 of 512 is 22 of 224
    assert blue > max(red, green)
    with ThreadPoolExecutor(3) as threads:
        drawn = list(threads.map(lambda _: TASK.observe(env, "rgb").image, range(9)))
    assert all(np.array_equal(picture, other) for other in drawn)
    small = PushT(side=96)
    assert small.observe(small_env := started(side=96), "rgb").image.shape == (96, 96, 3)
    assert np.array_equal(small.frame(small_env, "rgb"), small_env.render())


def test_nothing_is_printed_or_opened_by_it():
    code = (
        "import icil.tasks as t; k = t.make('pusht'); e = k.make_env(); "
        "k.reset(e, k.openings('evaluation')[0]); k.observe(e, 'rgb'); "
        "import pygame; assert not pygame.display.get_init()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_settings_are_checked_and_told():
    assert TASK.settings == {}
    assert PushT(score="success_any", side=96).settings == {"score": "success_any", "side": 96}
    with pytest.raises(UnknownNameError, match="coverage_last"):
        PushT(score="coverage_lst")
    for wrong in ({"horizon": 0}, {"side": 8}, {"decimals": 15}, {"decimals": True}):
        with pytest.raises(UsageError, match=f"{next(iter(wrong))} of pusht is a whole number"):
            PushT(**wrong)


def test_actions_are_places_on_the_table():
    env = started()
    assert TASK.parse("[231.4, 0]", env).action == "[231.4, 0.0]"
    assert TASK.parse("[231.4, 513]", env).status == "invalid"
    assert TASK.word(np.array([-3.0, 600.0])) == "[0.0, 512.0]"
    assert TASK.action_box.high.tolist() == [512.0, 512.0]


def test_the_environment_starts_anew_by_its_own_seed():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, other = PushTEnv(10), PushTEnv(10)
    assert [one.reset(seed=s)[0].tolist() for s in range(3)] == [
        other.reset(seed=s)[0].tolist() for s in range(3)
    ]


def test_demonstrations_replay_in_both_formats():
    task = Quick(horizon=12)
    shown = demonstrate(task, task.openings("demonstration")[0], "0")
    words = [seen.observation.text for seen in render(task, shown, "proprio")]
    assert len(set(words)) == len(words) == 12
    assert sum(1 for _ in render(task, shown, "rgb")) == 12


def test_it_is_a_member_and_not_a_family():
    assert make("pusht", {"horizon": 7}).horizon == 7


def test_without_gym_pusht_it_says_so_and_is_left_out_of_all_tasks(monkeypatch):
    monkeypatch.setattr("icil.tasks.pusht.library.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'icil\[robots\]'"):
        make("pusht")
    plan = make_plan(Experiment(task=("all",), agent=("random",), demos=(0,), episodes=1))
    assert "gridworld" in plan.tasks
    assert "pusht" not in plan.tasks
    assert [note for note in plan.skipped if note.startswith("pusht: gym-pusht is not installed")]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("import no_such_module_of_it", r"not installed whole: .*pip install 'icil\[robots\]'"),
        ("raise ImportError('libGL.so.1: no such file')", "system is missing: libGL.* apt-get"),
    ],
)
def test_what_is_missing_of_gym_pusht_is_told_apart(fault, said, tmp_path, monkeypatch):
    for name in [one for one in sys.modules if one.partition(".")[0] == "gym_pusht"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "gym_pusht/envs").mkdir(parents=True)
    (tmp_path / "gym_pusht/__init__.py").touch()
    (tmp_path / "gym_pusht/envs/__init__.py").touch()
    (tmp_path / "gym_pusht/envs/pusht.py").write_text(fault)
    monkeypatch.syspath_prepend(tmp_path)
    library.cache_clear()
    with pytest.raises(UsageError, match=said):
        library()
