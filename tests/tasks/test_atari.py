"""Atari games: dynamics, openings, language and errors; Phoenix unless said otherwise."""

import json
import sys
import warnings

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from icil.tasks import Demonstration, OpeningsError, Step, UnknownNameError, UsageError, render
from icil.tasks.atari import Atari, AtariEnv, Phoenix, console, make_atari
from icil.tasks.demonstrations import state_digest

TASK = Phoenix()
ACTIONS = ("NOOP", "FIRE", "RIGHT", "LEFT", "DOWN", "RIGHTFIRE", "LEFTFIRE", "DOWNFIRE")
SOME = np.random.default_rng(0).integers(8, size=100).tolist()


@pytest.fixture(scope="module")
def env():
    env = TASK.make_env()
    yield env
    env.close()


def begin(env, noops=5, chance_seed=1, **more):
    opening = {"noops": noops, "chance_seed": chance_seed, **more}
    env.reset(options={"opening": opening})
    return env


def played(env, actions):
    return [(TASK.state_key(env), *env.step(action)[1:4]) for action in actions]


def test_keeps_to_gymnasium():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(AtariEnv("phoenix"), skip_render_check=True)


def test_opening_and_actions_determine_the_episode(env):
    first = played(begin(env), SOME)
    assert played(begin(env), SOME) == first
    assert played(begin(TASK.make_env()), SOME) == first
    assert played(begin(env, chance_seed=2), SOME) != first
    assert first[-1][2:] == (False, True)
    with pytest.raises(ResetNeeded):
        env.step(0)


def test_the_chances_repeat_a_quarter_of_the_frames(env):
    stuck = [begin(env, chance_seed=seed)._stuck for seed in range(50)]
    assert np.shape(stuck) == (50, 100, 4)
    assert np.mean(stuck) == pytest.approx(0.25, abs=0.01)


def test_a_repeated_frame_goes_on_with_the_action_before(env):
    begin(env)
    held = []
    env.console, real = Recorder(env.console, held), env.console
    env._stuck = [[True, True, False, False], [True, False, True, True], *env._stuck[2:]]
    env.step(TASK.parse("LEFT", env).value)
    env.step(TASK.parse("RIGHT", env).value)
    env.console = real
    assert held == [0, 0, 4, 4, 4, 3, 3, 3]


class Recorder:
    def __init__(self, console, held):
        self._console, self._held = console, held

    def act(self, button):
        self._held.append(button)
        return self._console.act(button)

    def __getattr__(self, name):
        return getattr(self._console, name)


def test_a_game_that_ends_terminates(env):
    begin(env)
    env.console, real = Over(env.console), env.console
    try:
        assert env.step(0)[2:4] == (True, False)
    finally:
        env.console = real
    assert env.steps_left == 0


class Over(Recorder):
    def __init__(self, console):
        super().__init__(console, [])

    def game_over(self, with_truncation=True):
        return True


def test_the_picture_is_never_a_stale_one(env):
    played(begin(env), SOME[:40])
    begin(env, noops=1)
    fresh = begin(TASK.make_env(), noops=1)
    np.testing.assert_array_equal(env.frame(), fresh.frame())
    shown = env.frame()
    before = shown.copy()
    env.step(2)
    np.testing.assert_array_equal(shown, before)


@pytest.mark.parametrize(
    "opening",
    [
        {"noops": 0},
        {"noops": 31},
        {"noops": 1.5},
        {"noops": "3"},
        {"chance_seed": -1},
        {"chance_seed": None},
        {"presses": ["UP"]},
        {"presses": 3},
    ],
)
def test_refuses_openings_that_cannot_be(env, opening):
    with pytest.raises(OpeningsError, match="phoenix"):
        begin(env, **opening)


def test_openings_are_json_and_stay_the_same():
    for split in ("demonstration", "evaluation"):
        for index in (0, 1, 10_000):
            opening = TASK.openings(split)[index]
            assert (opening.split, opening.index) == (split, index)
            assert json.loads(json.dumps(opening.state)) == opening.state
            assert opening == TASK.openings(split)[index]
    with pytest.raises(OpeningsError):
        TASK.openings("evaluation")[-1]


def test_everybody_plays_the_same_episodes():
    states = [TASK.openings(split)[0].state for split in ("demonstration", "evaluation")]
    assert states == [
        {"noops": 6, "chance_seed": 3929675222},
        {"noops": 19, "chance_seed": 1252159807},
    ]


def test_no_evaluation_starts_as_a_demonstration_does(env):
    looks = {}
    for split in ("demonstration", "evaluation"):
        noops = {TASK.openings(split)[index].state["noops"] for index in range(300)}
        assert len(noops) == 15
        looks[split] = {TASK.state_key(begin(env, noops=n)) for n in noops}
        assert len(looks[split]) == 15
    assert not looks["demonstration"] & looks["evaluation"]


def test_a_game_that_waits_for_its_player_begins_with_presses():
    task = Atari("breakout")
    env, looks = task.make_env(), {}
    for split in ("demonstration", "evaluation"):
        openings = [task.openings(split)[index] for index in range(3)]
        assert all(1 <= len(opening.state["presses"]) <= 30 for opening in openings)
        assert openings[2] == task.openings(split)[2]
        looks[split] = set()
        for opening in openings:
            task.reset(env, opening)
            looks[split].add(task.state_key(env))
    assert not looks["demonstration"] & looks["evaluation"]


def test_every_action_parses_and_is_legal(env):
    assert TASK.legal_actions(env) == ACTIONS
    for number, action in enumerate(ACTIONS):
        parsed = TASK.parse(f" {action}\n", env)
        assert (parsed.status, parsed.action, parsed.value) == ("ok", action, number)


@pytest.mark.parametrize(
    ("text", "status"),
    [("", "empty"), (" \n", "empty"), ("fire", "invalid"), ("UP", "invalid"), ("0", "invalid")],
)
def test_says_what_is_wrong_with_a_reply(env, text, status):
    parsed = TASK.parse(text, env)
    assert (parsed.status, parsed.action, parsed.value) == (status, None, None)
    assert parsed.reason


def test_observes_only_as_rgb(env):
    shown = TASK.observe(begin(env), "rgb")
    assert (shown.text, shown.state) == (None, None)
    assert (shown.image.shape, shown.image.dtype) == ((210, 160, 3), np.uint8)
    with pytest.raises(UnknownNameError, match="rgb"):
        TASK.observe(env, "ascii")


@pytest.mark.parametrize("game", ["pong", "carnival", "skiing"])
def test_other_games_replay_a_trace(game):
    task = make_atari(game)
    opening, env, steps = task.openings("demonstration")[0], task.make_env(), []
    task.reset(env, opening)
    rng = np.random.default_rng(1)
    done = None
    while done is None or not (done.terminated or done.truncated):
        action = str(rng.choice(task.legal_actions(env)))
        state = state_digest(task, env)
        done = task.step(env, task.parse(action, env).value)
        steps.append(Step(state=state, action=action, reward=done.reward))
    trace = Demonstration(id="d", opening=opening, steps=tuple(steps), terminated=done.terminated)
    assert len(list(render(task, trace, "rgb"))) == len(steps)


def test_only_phoenix_has_an_expert():
    assert isinstance(make_atari("phoenix"), Phoenix)
    task = make_atari("pong")
    assert (task.name, task.references, task.has_expert) == ("atari/pong", None, False)
    assert TASK.has_expert
    with pytest.raises(UsageError, match=r"atari/pong has no expert.*--pool"):
        task.expert()


@pytest.mark.parametrize(
    ("game", "nearest"), [("phenix", "phoenix"), ("Pong", "pong"), ("space-invaders", "space_inv")]
)
def test_an_unknown_game_names_the_nearest(game, nearest):
    with pytest.raises(UnknownNameError, match=f"did you mean '{nearest}"):
        make_atari(game)


def test_games_for_two_players_only_are_unknown():
    assert len(console.games()) > 100
    with pytest.raises(UnknownNameError):
        make_atari("combat")


def test_a_missing_rom_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    with pytest.raises(UsageError, match=r"ROM of phoenix.*ALE_ROMS_DIR"):
        TASK.make_env()
    (tmp_path / "phoenix.bin").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="hash") as raised:
        TASK.make_env()
    assert "\n" not in str(raised.value)


def test_a_missing_library_says_what_to_do(monkeypatch):
    console.games.cache_clear()
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(UsageError, match="pip install ale-py"):
        make_atari("phoenix")
