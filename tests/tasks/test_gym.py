"""Any Gymnasium environment as a task."""

import math
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Tuple

from icil.harness import Experiment, run
from icil.tasks import (
    ContractError,
    Expert,
    UsageError,
    build_pool,
    build_pool_in,
    demonstrate,
    load_pool,
    make,
    render,
    replay,
    sample_action,
    save_pool,
)
from icil.tasks.conformance import check_task
from icil.tasks.gym import GymTask
from icil.tasks.gym.box import BoxActions


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


class BrokenEnv(LineEnv):
    def __init__(self, render_mode=None):
        raise RuntimeError("no licence")


class StuckEnv(LineEnv):
    def reset(self, *, seed=None, options=None):
        raise RuntimeError("no\nrobot")


class OddEnv(LineEnv):
    """Shows nested things, and answers with types of numpy and an outcome that is no JSON."""

    observation_space = Dict(
        {"at": Box(-9.0, 9.0, (1,)), "more": Tuple((Discrete(9), Discrete(2)))}
    )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action):
        _, reward, over, *_ = super().step(action)
        return self._seen(), np.float32(reward), np.bool_(over), np.bool_(0), {"outcome": object()}

    def _seen(self):
        return {"more": (round(abs(self.at)), int(self.at < 0)), "at": np.array([self.at])}


class BoundEnv(LineEnv):
    """Can be used in the thread that made it alone, as what draws with OpenGL."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode)
        self.thread = threading.get_ident()

    def render(self):
        assert threading.get_ident() == self.thread
        return super().render()


class NoFrameEnv(LineEnv):
    def render(self):
        return [[[0, 0, 0]]]


WORLDS = {
    "Line-v0": LineEnv,
    "Two-v0": TwoEnv,
    "Blind-v0": BlindEnv,
    "Broken-v0": BrokenEnv,
    "Stuck-v0": StuckEnv,
    "Odd-v0": OddEnv,
    "Bound-v0": BoundEnv,
    "NoFrame-v0": NoFrameEnv,
}


def walk(env):
    """The expert."""
    return int(env.observation[0] < 4)


class Walker(Expert):
    name = "walker"

    def act(self, env, rng):
        return str(walk(env))


@pytest.fixture(autouse=True)
def registered():
    for name, entry in WORLDS.items():
        gymnasium.register(name, entry_point=entry, max_episode_steps=12)
    yield
    for name in WORLDS:
        del gymnasium.registry[name]


def line(**settings):
    return GymTask("Line-v0", **{"expert": f"{__name__}:walk", **settings})


def begun(task):
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[0])
    return env


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Lets the entry point find this module, whatever name pytest gave it."""
    names = SimpleNamespace(
        walk=walk, Walker=Walker, LineEnv=LineEnv, LIMIT=4, far=lambda env: 2, dumb=lambda env: None
    )
    monkeypatch.setitem(__import__("sys").modules, __name__, names)


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
        env = begun(task)
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


@pytest.mark.parametrize("horizon", [3, 12, 40])
def test_an_episode_ends_at_our_horizon(horizon):
    task = line(horizon=horizon)
    env = begun(task)
    ends = [task.step(env, 0).truncated for _ in range(horizon)]
    assert ends == [False] * (horizon - 1) + [True]


def test_the_goal_at_the_horizon_is_no_truncation():
    steps = 4 - begun(line()).observation[0]
    task = line(horizon=math.ceil(steps))
    env = begun(task)
    ends = [task.step(env, 1)[:3] for _ in range(task.horizon)]
    assert ends[-1] == (1.0, True, False)


def test_a_pool_made_without_names_serves_a_task_with_names():
    opening = line().openings("demonstration")[0]
    shown = demonstrate(line(), opening, "0")
    named = line(actions=("back", "on"))
    assert {step.action for step in shown.steps} == {"1"}
    assert {step.action for step in render(named, shown, "proprio")} == {"on"}
    shown = demonstrate(named, opening, "0")
    assert {step.action for step in render(named, shown, "proprio")} == {"on"}
    assert named.express("7", None) == "7"


def test_what_is_no_plain_number_is_told_apart_and_recorded(tmp_path):
    task = GymTask("Odd-v0")
    assert task.formats == ("rgb",)
    keys = []
    for _ in range(2):
        env = begun(task)
        keys.append([task.state_key(env)])
        for action in (1, 0, 1):
            task.step(env, action)
            keys[-1].append(task.state_key(env))
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2
    build_pool_in(tmp_path / "pool", "gym:Odd-v0", 4, player="random")
    for demonstration in load_pool(tmp_path / "pool").demonstrations:
        assert len(list(render(task, demonstration, "rgb"))) == len(demonstration.steps)


def test_an_observation_of_objects_is_refused():
    task = line()
    with pytest.raises(ContractError, match="holds a NoneType"):
        task.state_key(SimpleNamespace(observation=(1, None)))


def test_one_thread_uses_an_environment_whoever_calls():
    task = GymTask("Bound-v0")
    frames = []

    def play():
        task.reset(env, task.openings("evaluation")[0])
        task.step(env, 1)
        frames.append(task.observe(env, "rgb").image)

    env = task.make_env()
    for _ in range(2):
        caller = threading.Thread(target=play)
        caller.start()
        caller.join()
    assert (frames[0] == frames[1]).all()
    env.close()


def test_what_cannot_be_drawn_is_told():
    task = GymTask("NoFrame-v0")
    with pytest.raises(
        ContractError, match=r"gym:NoFrame-v0 draws list, int64 .*\(height, width, 3\)"
    ):
        task.observe(begun(task), "rgb")
    task = line()
    env = begun(task)
    env.inner.unwrapped.at = math.nan
    with pytest.raises(UsageError, match=r"cannot draw its frames: ValueError.*--format proprio"):
        task.observe(env, "rgb")


def test_an_environment_that_cannot_be_reset_is_told_with_the_seed():
    with pytest.raises(UsageError, match=r"reset with the seed \d+: RuntimeError: no robot$"):
        begun(GymTask("Stuck-v0"))


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


@pytest.mark.filterwarnings("ignore:.*Using the latest versioned")
@pytest.mark.parametrize(
    ("id", "settings", "says"),
    [
        ("Lin-v0", {}, "Environment `Lin` doesn't exist. Did you mean: `Line`?"),
        ("no_such_module:X-v0", {}, "No module named 'no_such_module'"),
        ("Two-v0", {}, "takes actions from Tuple"),
        ("Blind-v0", {}, "shows neither numbers nor frames"),
        ("Line", {}, "gym:Line leaves the version open: gym:Line-v0"),
        (":Line-v0", {}, "gym::Line-v0 cannot be made: ValueError: Empty module name"),
        ("Broken-v0", {}, "gym:Broken-v0 cannot be made: RuntimeError: no licence"),
        ("Line-v0", {"actions": ("a",)}, "a list of different names, one for each"),
        ("Line-v0", {"actions": ("a", "b", "c")}, "not ('a', 'b', 'c')"),
        ("Line-v0", {"actions": "lr"}, "not 'lr'"),
        ("Line-v0", {"actions": ("a", "a")}, "not ('a', 'a')"),
        ("Line-v0", {"actions": ("a", 1)}, "not ('a', 1)"),
        ("Line-v0", {"actions": ("a", "b ")}, "not ('a', 'b ')"),
        ("Line-v0", {"actions": 7}, "not 7"),
        ("Pendulum-v1", {"actions": ("a",)}, "one for each action of Box("),
        ("Line-v0", {"decimals": -1}, "'decimals' of gym:Line-v0 is a whole number from 0 to 17"),
        ("Line-v0", {"decimals": True}, "not True"),
        ("Line-v0", {"decimals": "two"}, "not 'two'"),
        ("Line-v0", {"horizon": 0}, "'horizon' of gym:Line-v0 is a whole number, 1 or more, not 0"),
        ("Line-v0", {"horizon": "long"}, "not 'long'"),
        ("Line-v0", {"expert": 7}, "'expert' of gym:Line-v0 is a text"),
    ],
)
def test_what_cannot_be_is_explained(id, settings, says):
    with pytest.raises(UsageError) as raised:
        GymTask(id, **settings)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere:walk", "nowhere:walk cannot be imported: No module named 'nowhere'.*PYTHONPATH"),
        (f"{__name__}:run", "run cannot be imported: .*has no attribute 'run'"),
        ("two words", "two words cannot be imported: .*MODULE:NAME"),
        (f"{__name__}:LIMIT", "LIMIT is neither a function nor an Expert class"),
        (f"{__name__}:LineEnv", "LineEnv is neither a function nor an Expert class"),
    ],
)
def test_what_cannot_be_the_expert_is_told(name, says):
    with pytest.raises(UsageError, match=says):
        line(expert=name).expert()


@pytest.mark.parametrize(("name", "said"), [("far", "2"), ("dumb", "None")])
def test_an_expert_that_says_what_is_no_action_is_told(name, said):
    task = line(expert=f"{__name__}:{name}")
    with pytest.raises(ContractError, match=rf"{name} returned {said}, which is no action of Disc"):
        demonstrate(task, task.openings("demonstration")[0], "0")


def test_an_expert_may_be_a_class():
    task, opening = line(expert=f"{__name__}:Walker"), line().openings("demonstration")[0]
    assert demonstrate(task, opening, "0") == demonstrate(line(), opening, "0")
    assert line().expert().settings == {"function": f"{__name__}:walk"}


@pytest.fixture
def pendulum():
    task = make("gym:Pendulum-v1", {"horizon": 5})
    return task, begun(task)


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
    assert task.legal_actions(env).describe() == "1 number from -2 to 2, as [a]"


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


INF = math.inf


@pytest.mark.parametrize(
    ("space", "description", "least", "most"),
    [
        (Box(-1, 1, (2, 2)), "4 numbers from -1 to 1, as [a, b, …]", -1, 1),
        (Box(-INF, INF, (2,)), "2 numbers from -inf to inf, as [a, b, …]", -1, 1),
        (Box(5, INF, (1,)), "1 number from 5 to inf, as [a]", 5, 6),
        (Box(-INF, -5, (1,)), "1 number from -inf to -5, as [a]", -6, -5),
        (
            Box(np.array([0, 2], np.float32), np.array([1, 3], np.float32)),
            "2 numbers, as [a, b, …], in turn from 0 to 1, 2 to 3",
            0,
            3,
        ),
        (Box(0, 2, (2,), np.uint8), "2 whole numbers from 0 to 2, as [a, b, …]", 0, 2),
    ],
)
def test_draws_are_in_bounds_and_parse_to_themselves(space, description, least, most):
    actions, rng = BoxActions(space), np.random.default_rng(0)
    assert actions.describe() == description
    values = []
    for _ in range(200):
        text = sample_action(actions, rng)
        parsed = actions.parse(text)
        assert (parsed.status, parsed.action) == ("ok", text)
        assert space.contains(parsed.value)
        values += parsed.value.reshape(-1).tolist()
    assert least <= min(values) < least + 0.1
    assert most - 0.1 < max(values) <= most


@pytest.mark.parametrize(
    ("space", "text", "found"),
    [
        (Box(0, 255, (2,), np.uint8), "[3, 255]", "[3, 255]"),
        (Box(0, 255, (2,), np.uint8), "[3.0, 0]", "[3, 0]"),
        (Box(0, 255, (2,), np.uint8), "[-1, 0]", "a number is out of range"),
        (Box(0, 255, (2,), np.uint8), "[256, 0]", "a number is out of range"),
        (Box(0, 255, (2,), np.uint8), "[1.5, 0]", "a number is not whole"),
        (Box(0, 255, (2,), np.uint8), "[1e999, 0]", "a number is out of range"),
        (Box(-INF, INF, (1,)), "[1e300]", "a number is out of range"),
        (Box(0, 0.7, (1,)), "[0.7]", f"[{float(np.float32(0.7))}]"),
    ],
)
def test_numbers_must_fit_the_space(space, text, found):
    parsed = BoxActions(space).parse(text)
    assert found == (parsed.action or parsed.reason)
    assert (parsed.status == "ok") == found.startswith("[")


def test_pools_keep_their_settings(tmp_path):
    task = line(actions=("back", "on"))
    save_pool(build_pool(task, 3), tmp_path / "pool")
    assert load_pool(tmp_path / "pool").card.task_settings == task.settings


def test_the_world_that_the_docs_show_is_a_task(tmp_path, monkeypatch):
    docs = Path(__file__).parents[2] / "docs" / "own_task.md"
    code = docs.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) <= 30
    (tmp_path / "my_world.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        # It knows nothing of frames, and takes no `render_mode`.
        task = make("gym:my_world:Needle-v0", {"expert": "my_world:steady"})
        assert task.formats == ("proprio",)
        assert check_task(task) == ()
        assert build_pool(task, 10).card.return_mean > 25
    finally:
        gymnasium.registry.pop("Needle-v0", None)
        sys.modules.pop("my_world", None)
