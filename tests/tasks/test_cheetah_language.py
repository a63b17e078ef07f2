"""The cheetah's action language."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icil.tasks.cheetah import Cheetah
from icil.tasks.cheetah.language import MotorSpace, parse_action, word_action

GOOD = "[0.5, -1.0, 1.0, 0.0, 0.123456789012345, -0.25]"


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (GOOD, GOOD),
        (f"  {GOOD}\n", GOOD),
        ("[0.5,-1,1,0,0.123456789012345,-25e-2]", GOOD),
        ("[\n0.50, -1.0, 1.0, -0.0, 0.123456789012345, -0.25\n]", GOOD),
    ],
)
def test_reads_lists_of_six_numbers(text, action):
    parsed = parse_action(text)
    assert (parsed.status, parsed.action, parsed.reason) == ("ok", action, None)
    assert parsed.value.dtype == np.float64
    assert parsed.value.tolist() == [0.5, -1.0, 1.0, 0.0, 0.123456789012345, -0.25]
    assert not np.signbit(parsed.value[3])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.5, 0, 0, 0, 0, 0", "not a list of six numbers"),
        ("0.5", "not a list"),
        ("{}", "not a list"),
        ("null", "not a list"),
        ('"[0, 0, 0, 0, 0, 0]"', "not a list"),
        ("[]", "has 0 numbers, not 6"),
        ("[0, 0, 0, 0, 0]", "has 5 numbers, not 6"),
        ("[0, 0, 0, 0, 0, 0, 0]", "has 7 numbers, not 6"),
        ("[0, 0, 0, 0, 0, 1.0001]", "number 6 is 1.0001, outside"),
        ("[-1.5, 0, 0, 0, 0, 0]", "number 1 is -1.5, outside"),
        ("[1e999, 0, 0, 0, 0, 0]", "number 1 is inf, outside"),
        (f"[{'9' * 500}, 0, 0, 0, 0, 0]", "number 1 is inf, outside"),
        ("[NaN, 0, 0, 0, 0, 0]", "NaN is not a finite number"),
        ("[0, -Infinity, 0, 0, 0, 0]", "-Infinity is not a finite number"),
        ("[nan, 0, 0, 0, 0, 0]", "not a list of six numbers"),
        ("[true, 0, 0, 0, 0, 0]", "item 1 of the list is not a number"),
        ('["0", 0, 0, 0, 0, 0]', "item 1 of the list is not a number"),
        ("[[0, 0, 0, 0, 0, 0]]", "item 1 of the list is not a number"),
        ("[0, 0, 0, 0, 0, null]", "item 6 of the list is not a number"),
        ("[0, 0, 0, 0, 0, 0", "not a list of six numbers"),
        ("[0, 0, 0, 0, 0, 0,]", "not a list of six numbers"),
        ("[0 0 0 0 0 0]", "not a list of six numbers"),
        ("[.5, 0, 0, 0, 0, 0]", "not a list of six numbers"),
        ("[+1, 0, 0, 0, 0, 0]", "not a list of six numbers"),
        ("[0, 0, 0, 0, 0, 0].", "not a list of six numbers"),
        ("Action: [0, 0, 0, 0, 0, 0]", "not a list of six numbers"),
        ("(0, 0, 0, 0, 0, 0)", "not a list of six numbers"),
        ("[0,0,0,0,0,__import__('os')]", "not a list of six numbers"),
        ("[" * 900, "not a list of six numbers"),
        ("[" * 100_000, "too long"),
        ("9" * 5000, "too long"),
        ("[\u0660, 0, 0, 0, 0, 0]", "not a list of six numbers"),
        ("\ud800", "not a list of six numbers"),
        ("\x00", "not a list of six numbers"),
    ],
)
def test_says_what_is_wrong_with_a_reply(text, reason):
    parsed = parse_action(text)
    assert (parsed.status, parsed.action, parsed.value) == ("invalid", None, None)
    assert reason in parsed.reason
    assert len(parsed.reason) <= 200


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_reply(text):
    assert (parse_action(text).status, parse_action(text).reason) == ("empty", "the reply is empty")


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_every_action_survives_its_wording(numbers):
    action = word_action(numbers)
    parsed = parse_action(action)
    assert parsed.value.tolist() == numbers
    assert parsed.action == action == word_action(parsed.value)


@given(st.text(max_size=60))
def test_no_reply_raises(text):
    parsed = parse_action(text)
    assert (parsed.status == "ok") == (parsed.action is not None)
    assert parsed.status == "ok" or parsed.reason


def test_the_space_is_described_and_sampled_uniformly():
    task = Cheetah()
    env = task.make_env()
    space = task.legal_actions(env)
    assert isinstance(space, MotorSpace)
    assert space.describe() == "[a, b, c, d, e, f], a list of six numbers, each in [-1, 1]"
    rng = np.random.default_rng(0)
    drawn = np.array([task.parse(space.sample(rng), env).value for _ in range(2000)])
    assert np.abs(drawn.mean(axis=0)).max() < 5 * (1 / 3 / 2000) ** 0.5
    assert np.abs((drawn < -0.5).mean(axis=0) - 0.25).max() < 5 * (3 / 16 / 2000) ** 0.5
