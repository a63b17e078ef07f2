"""The grid world: dynamics, openings, language and demonstrations."""

import json
import warnings

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from icil.tasks import OpeningsError, UnknownNameError, demonstrate, make, render
from icil.tasks.gridworld import Gridworld, GridworldEnv

TASK = Gridworld()


def placed(player, target):
    env = TASK.make_env()
    env.reset(options={"opening": {"player": list(player), "target": list(target)}})
    return env


def number(action):
    return TASK.parse(action, TASK.make_env()).value


def test_is_registered():
    assert isinstance(make("gridworld"), Gridworld)
    assert set(TASK.image_formats) <= set(TASK.formats)


def test_keeps_to_gymnasium():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(GridworldEnv(), skip_render_check=True)


def test_reset_is_a_function_of_the_seed():
    one, other = GridworldEnv(), GridworldEnv()
    first = [one.reset(seed=s)[0].tolist() for s in range(20)]
    assert first == [other.reset(seed=s)[0].tolist() for s in range(20)]
    assert len({tuple(o) for o in first}) > 10


@pytest.mark.parametrize(
    ("action", "cell"), [("up", (4, 7)), ("down", (6, 7)), ("left", (5, 6)), ("right", (5, 8))]
)
def test_moves(action, cell):
    env = placed((5, 7), (1, 1))
    observation, reward, terminated, truncated, info = env.step(number(action))
    assert env.player == cell
    assert observation.tolist() == [*cell, 1, 1]
    assert (reward, terminated, truncated, info) == (0.0, False, False, {})


@pytest.mark.parametrize(
    ("cell", "action"),
    [((1, 5), "up"), ((10, 5), "down"), ((5, 1), "left"), ((5, 10), "right")],
)
def test_walls_stop_the_player(cell, action):
    env = placed(cell, (3, 3))
    env.step(number(action))
    assert env.player == cell


def test_the_target_pays_and_ends():
    env = placed((5, 7), (5, 8))
    assert env.step(number("right"))[1:4] == (1.0, True, False)
    with pytest.raises(ResetNeeded):
        env.step(number("right"))


def test_truncates_at_the_horizon():
    env = placed((1, 1), (10, 10))
    ends = [env.step(number("up"))[2:4] for _ in range(TASK.horizon)]
    assert ends == [(False, False)] * 24 + [(False, True)]
    with pytest.raises(ResetNeeded):
        env.step(number("up"))


def test_the_last_step_may_reach_the_target():
    env = placed((1, 1), (1, 2))
    for _ in range(TASK.horizon - 1):
        env.step(number("up"))
    assert env.step(number("right"))[1:4] == (1.0, True, False)


@pytest.mark.parametrize(
    "opening",
    [
        {},
        {"player": [1, 1]},
        {"player": [1, 1], "target": [1, 1]},
        {"player": [0, 1], "target": [1, 1]},
        {"player": [1, 1], "target": [1, 11]},
        {"player": [1, 1], "target": [1.5, 2]},
        {"player": [1, 1], "target": "22"},
        {"player": [1, 1], "target": [1, 2, 3]},
        {"player": None, "target": [1, 1]},
    ],
)
def test_refuses_openings_that_cannot_be(opening):
    with pytest.raises(OpeningsError):
        GridworldEnv().reset(options={"opening": opening})


def test_splits_are_disjoint_and_cover_everything():
    env, keys = TASK.make_env(), {}
    for split in ("demonstration", "evaluation"):
        source = TASK.openings(split)
        assert source.distinct == 4950
        keys[split] = set()
        for index in range(source.distinct):
            TASK.reset(env, source[index])
            keys[split].add(TASK.state_key(env))
    assert not keys["demonstration"] & keys["evaluation"]
    assert len(keys["demonstration"] | keys["evaluation"]) == 9900


def test_openings_are_json_and_stay_the_same():
    opening = TASK.openings("evaluation")[0]
    assert json.loads(json.dumps(opening.state)) == opening.state
    assert opening == TASK.openings("evaluation")[0]
    with pytest.raises(OpeningsError):
        TASK.openings("evaluation")[4950]


@pytest.mark.parametrize("text", ["up", " up\n", "\tup ", "up\u00a0"])
def test_parses_actions_with_white_space_around(text):
    parsed = TASK.parse(text, placed((1, 5), (3, 3)))
    assert (parsed.status, parsed.action, parsed.value, parsed.reason) == ("ok", "up", 0, None)


def test_every_action_parses_and_is_legal_everywhere():
    env = placed((1, 1), (3, 3))
    assert TASK.legal_actions(env) == ("up", "down", "left", "right")
    assert [TASK.parse(a, env).value for a in TASK.legal_actions(env)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("Up", "invalid"),
        ("UP", "invalid"),
        ("'up'", "invalid"),
        ("`up`", "invalid"),
        ("go up", "invalid"),
        ("up.", "invalid"),
        ("up down", "invalid"),
        ("0", "invalid"),
        ("ｕｐ", "invalid"),  # noqa: RUF001
        ("u\u200bp", "invalid"),
        ("\ud800", "invalid"),
        ("up\0", "invalid"),
        ("junk " * 2000, "invalid"),
    ],
)
def test_says_what_is_wrong_with_a_reply(text, status):
    parsed = TASK.parse(text, placed((1, 1), (3, 3)))
    assert (parsed.status, parsed.action, parsed.value) == (status, None, None)
    assert 0 < len(parsed.reason) < 500


def test_text_formats():
    env = placed((1, 2), (10, 9))
    rows = TASK.observe(env, "ascii").text.split("\n")
    assert rows[0] == rows[11] == "#" * 12
    assert rows[1] == "#.P........#"
    assert rows[10] == "#........T.#"
    assert all(row == "#..........#" for row in rows[2:10])
    coords = TASK.observe(env, "coords")
    assert coords.text == "player (1, 2), target (10, 9)"
    assert coords.state.tolist() == [1.0, 2.0, 10.0, 9.0]
    assert coords.state.dtype == np.float64
    with pytest.raises(UnknownNameError, match="ascii"):
        TASK.observe(env, "asci")


def test_observing_changes_nothing():
    env = placed((1, 2), (10, 9))
    before = TASK.state_key(env), env.np_random.bit_generator.state
    for format in TASK.formats:
        TASK.observe(env, format)
    assert before == (TASK.state_key(env), env.np_random.bit_generator.state)
    for _ in range(TASK.horizon - 1):
        assert not env.step(number("up"))[3]


def test_every_format_tells_all_states_apart():
    openings = [TASK.openings("evaluation")[index] for index in range(300)]
    env, seen = TASK.make_env(), {format: set() for format in (*TASK.formats, "key")}
    for opening in openings:
        TASK.reset(env, opening)
        seen["key"].add(TASK.state_key(env))
        seen["ascii"].add(TASK.observe(env, "ascii").text)
        seen["coords"].add(TASK.observe(env, "coords").text)
        seen["rgb"].add(TASK.observe(env, "rgb").image.tobytes())
    assert [len(s) for s in seen.values()] == [300] * 4


def test_only_pictures_draw(monkeypatch):
    monkeypatch.setattr("icil.tasks.gridworld.task.as_picture", None)
    env = placed((1, 2), (10, 9))
    TASK.observe(env, "ascii")
    TASK.observe(env, "coords")


def test_opening_and_actions_determine_the_episode():
    opening = TASK.openings("evaluation")[3]
    actions = np.random.default_rng(0).integers(4, size=25)
    episodes = []
    for seed in (1, 2):
        env = TASK.make_env()
        env.reset(seed=seed)
        TASK.reset(env, opening)
        steps = [env.step(action) for action in actions]
        episodes.append([(o.tolist(), *rest) for o, *rest in steps])
    assert episodes[0] == episodes[1]


@pytest.mark.parametrize("format", TASK.formats)
def test_demonstrations_render_in_every_format(format):
    for index in range(5):
        opening = TASK.openings("demonstration")[index]
        demonstration = demonstrate(TASK, opening, "d")
        assert demonstration == demonstrate(TASK, opening, "d")
        assert demonstration.terminated
        assert demonstration.total == 1.0
        seen = [shown.observation for shown in render(TASK, demonstration, format)]
        assert len(seen) == len(demonstration.steps)
        assert all((o.image is not None) == (format in TASK.image_formats) for o in seen)


def test_everybody_plays_the_same_episodes():
    states = [TASK.openings(split)[0].state for split in ("demonstration", "evaluation")]
    assert states == [
        {"player": [2, 2], "target": [3, 9], "chance_seed": 1133288781},
        {"player": [8, 3], "target": [8, 4], "chance_seed": 284304620},
    ]
    demonstration = demonstrate(TASK, TASK.openings("demonstration")[0], "d")
    assert [step.action for step in demonstration.steps] == ["right", "down"] + ["right"] * 6
