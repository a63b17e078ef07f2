"""Any Gymnasium environment as a task."""

import math
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Tuple

from icil.harness import Experiment, run
from icil.tasks import UsageError, build_pool, build_pool_in, load_pool, make, replay, save_pool
from icil.tasks.conformance import check_task
from icil.tasks.gym import GymTask


class LineEnv(gymnasium.Env):
    """Walk along a line to its end; drawn without any library."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    observation_space = Box(-9.0, 9.0, (2,), np.float64)
    action_space = Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = float(self.np_random.uniform(-3, 3))
        return np.array([self.at, 4.0]), {}

    def step(self, action):
        self.at = float(np.clip(self.at + (1 if action else -1), -9, 9))
        return np.array([self.at, 4.0]), float(self.at >= 4), self.at >= 4, False, {}

    def render(self):
        frame = np.zeros((8, 19, 3), np.uint8)
        frame[:, round(self.at) + 9] = 255
        return frame


class TwoEnv(LineEnv):
    action_space = Tuple((Discrete(2), Discrete(2)))


class BlindEnv(LineEnv):
    metadata = {"render_modes": []}  # noqa: RUF012
    observation_space = Dict({"a": Discrete(2)})


def walk(env):
    """The expert."""
    return int(env.observation[0] < 4)


@pytest.fixture(autouse=True)
def registered():
    for name, entry in (("Line-v0", LineEnv), ("Two-v0", TwoEnv), ("Blind-v0", BlindEnv)):
        gymnasium.register(name, entry_point=entry, max_episode_steps=12)
    yield
    for name in ("Line-v0", "Two-v0", "Blind-v0"):
        del gymnasium.registry[name]


def line(**settings):
    return GymTask("Line-v0", expert=f"{__name__}:walk", **settings)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Lets the entry point find this module, whatever name pytest gave it."""
    monkeypatch.setitem(__import__("sys").modules, __name__, SimpleNamespace(walk=walk))


def test_keeps_the_contract():
    assert check_task(line()) == ()


def test_formats_horizon_and_settings_are_found_out():
    task = line(actions=("back", "on"))
    assert task.formats == ("proprio", "rgb")
    assert task.image_formats == ("rgb",)
    assert task.horizon == 12
    assert line(horizon=5).horizon == 5
    assert task.settings == {"actions": ["back", "on"], "expert": f"{__name__}:walk"}


def test_actions_have_the_names_given_or_are_numbers():
    for names, task in ((("back", "on"), line(actions=("back", "on"))), (("0", "1"), line())):
        env = task.make_env()
        task.reset(env, task.openings("evaluation")[0])
        assert task.legal_actions(env) == names
        parsed = task.parse(names[1], env)
        assert (parsed.status, parsed.value) == ("ok", 1)
        assert task.parse("ON", env).status == "invalid"


def test_numbers_are_shown_whole_or_rounded():
    for decimals, text in ((None, "[0.3333333333333333, -2.0]"), (2, "[0.33, -2.0]")):
        task = line(decimals=decimals)
        env = task.make_env()
        env.observation = np.array([1 / 3, -2.0])
        seen = task.observe(env, "proprio")
        assert seen.text == text
        assert seen.state.tolist() == [1 / 3, -2.0]


def test_an_episode_ends_at_our_horizon():
    task = line(horizon=3)
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[0])
    ends = [task.step(env, 0).truncated for _ in range(3)]
    assert ends == [False, False, True]


def test_the_expert_shows_how_and_nearest_learns_it(tmp_path):
    task = line()
    pool = build_pool(task, 20)
    assert pool.card.return_mean == 1.0
    for demonstration in pool.demonstrations:
        assert list(replay(task, demonstration))
    save_pool(pool, tmp_path / "pool")
    experiment = Experiment(
        task=("gym:Line-v0",),
        format=("proprio", "rgb"),
        agent=("nearest", "expert", "random"),
        demos=(8,),
        episodes=10,
        pool=(tmp_path / "pool",),
        set={"gym:Line-v0.expert": f"{__name__}:walk"},
    )
    rows = run(experiment, tmp_path / "run").leaderboard.rows
    scores = {(row.format, row.agent): row.score_mean for row in rows}
    assert scores["proprio", "nearest"] == scores["proprio", "expert"] == 1.0
    assert {row.normalized_mean for row in rows if row.agent == "expert"} == {1.0}


def test_without_an_expert_nothing_is_normalized(tmp_path):
    save_pool(build_pool(line(), 10), tmp_path / "pool")
    experiment = Experiment(
        task=("gym:Line-v0",),
        format=("proprio",),
        agent=("nearest", "expert"),
        demos=(4,),
        episodes=5,
        pool=(tmp_path / "pool",),
    )
    summary = run(experiment, tmp_path / "run")
    (row,) = summary.leaderboard.rows
    assert (row.agent, row.expert_mean, row.normalized_mean) == ("nearest", None, None)
    assert row.random_mean is not None
    assert summary.skipped == ("expert does not play gym:Line-v0: it has no expert",)


def test_a_pool_needs_an_expert(tmp_path):
    with pytest.raises(UsageError, match="gym:Line-v0 has no expert: name one"):
        build_pool_in(tmp_path / "pool", "gym:Line-v0", 3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("id", "settings", "says"),
    [
        ("Lin-v0", {}, "Environment `Lin` doesn't exist. Did you mean: `Line`?"),
        ("no_such_module:X-v0", {}, "No module named 'no_such_module'"),
        ("Two-v0", {}, "takes actions from Tuple"),
        ("Blind-v0", {}, "shows neither numbers nor frames"),
        ("Line-v0", {"actions": ("a",)}, "1 names do not fit"),
    ],
)
def test_what_cannot_be_is_explained(id, settings, says):
    with pytest.raises(UsageError) as raised:
        GymTask(id, **settings)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_expert_that_cannot_be_imported_is_named():
    with pytest.raises(UsageError, match="the expert nowhere:walk cannot be imported"):
        GymTask("Line-v0", expert="nowhere:walk").expert()


@pytest.fixture
def pendulum():
    task = make("gym:Pendulum-v1", {"horizon": 5})
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[0])
    return task, env


def test_continuous_actions_are_lists(pendulum):
    task, env = pendulum
    parsed = task.parse(" [0.5] ", env)
    assert (parsed.status, parsed.action, parsed.value.tolist()) == ("ok", "[0.5]", [0.5])
    rng = np.random.default_rng(0)
    drawn = [task.legal_actions(env).sample(rng) for _ in range(200)]
    values = [task.parse(text, env).value.item() for text in drawn]
    assert [task.parse(text, env).action for text in drawn] == drawn
    assert -2 <= min(values) < -1.5
    assert 1.5 < max(values) <= 2
    assert math.isfinite(task.step(env, parsed.value).reward)
    assert "1 numbers from -2 to 2" in task.legal_actions(env).describe()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("0.5", "invalid"),
        ("[0.5, 0.5]", "invalid"),
        ("[]", "invalid"),
        ("[2.01]", "invalid"),
        ("[NaN]", "invalid"),
        ("[Infinity]", "invalid"),
        ("[1e999]", "invalid"),
        ("[true]", "invalid"),
        ('["0.5"]', "invalid"),
        ("[0.5", "invalid"),
        ("[" * 100_000, "invalid"),
        ("[" + "9" * 400 + "]", "invalid"),
    ],
)
def test_wrong_lists_are_told_with_the_reason(pendulum, text, status):
    task, env = pendulum
    parsed = task.parse(text, env)
    assert parsed.status == status
    assert parsed.reason
    assert len(parsed.reason) < 200


def test_pools_keep_their_settings(tmp_path):
    task = line(actions=("back", "on"))
    save_pool(build_pool(task, 3), tmp_path / "pool")
    assert load_pool(tmp_path / "pool").card.task_settings == task.settings
