"""Crossword: dynamics, language, looks and demonstrations.

After a change of the looks, `ICIL_REDRAW=1 pytest tests/tasks` writes the golden texts anew;
look at them before you keep them, and raise the task's version.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from icil.tasks import UnknownNameError, UsageError, demonstrate, render, sample_action
from icil.tasks.conformance import check_task
from icil.tasks.crossword import Crossword, CrosswordEnv
from icil.tasks.crossword.language import AnyWord
from icil.tasks.task import Transition

GOLDEN = Path(__file__).parent / "golden"
TASK = Crossword()
WORDS = [
    ["A", 1, 0, "TIGER", "a large striped cat"],
    ["A", 5, 2, "OATS", "food for horses"],
    ["D", 1, 0, "TOP", "the upper side"],
    ["D", 1, 2, "GECKO", "a lizard that climbs walls"],
    ["D", 1, 4, "RED", "the color of blood"],
    ["D", 4, 5, "USE", "put to work"],
]


def placed(words=WORDS):
    env = TASK.make_env()
    env.reset(options={"opening": {"words": words}})
    return env


def say(env, text):
    parsed = TASK.parse(text, env)
    assert parsed.status == "ok", parsed
    return TASK.step(env, parsed.value)


@pytest.mark.parametrize("illegal", ["replace", "end"])
def test_keeps_all_rules(illegal):
    assert check_task(Crossword(illegal=illegal)) == ()


def test_keeps_to_gymnasium():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(CrosswordEnv(), skip_render_check=True)


def test_reset_is_a_function_of_the_seed():
    one, other = CrosswordEnv(), CrosswordEnv()
    for seed in range(10):
        (grid, info), (grid_again, again) = one.reset(seed=seed), other.reset(seed=seed)
        assert (grid.tolist(), info) == (grid_again.tolist(), again)
    assert one.reset(seed=0)[1] != one.reset(seed=1)[1]


def test_what_the_environment_tells():
    env = CrosswordEnv()
    grid, info = env.reset(options={"opening": {"words": WORDS}})
    assert info["clues"]["A1"] == "a large striped cat"
    assert list(info["clues"]) == ["A1", "A5", "D1", "D2", "D3", "D4"]
    assert (grid == 1).sum() == 18
    assert (grid == 0).sum() == 49 - 18
    seen, reward, *_ = env.step("A1: TIGER")
    assert reward == 1.0
    assert (seen[1, :5] - 2 + ord("A")).astype(np.uint8).tobytes() == b"TIGER"
    assert (seen > 1).sum() == 5
    assert (grid > 1).sum() == 0


def test_right_wrong_and_repeated_words():
    env = placed()
    assert say(env, "A1: TIGER") == Transition(1.0, False, False)
    before = TASK.state_key(env)
    assert say(env, "A1: TIGER") == Transition(0.0, False, False)
    assert say(env, "A1: OTHER") == Transition(0.0, False, False)
    assert say(env, "D1: TAP") == Transition(0.0, False, False)
    assert TASK.state_key(env) == before
    assert say(env, "d1: top") == Transition(1.0, False, False)
    assert TASK.state_key(env) != before


def test_the_last_word_ends_the_episode():
    env = placed()
    for text in ("A1: TIGER", "A5: OATS", "D1: TOP", "D2: GECKO", "D3: RED"):
        assert say(env, text) == Transition(1.0, False, False)
    assert say(env, "D4: USE") == Transition(1.0, True, False)
    with pytest.raises(ResetNeeded):
        env.step("D4: USE")


def test_truncates_at_the_horizon():
    env = placed()
    ends = [say(env, "A1: XXXXX")[1:3] for _ in range(25)]
    assert ends == [(False, False)] * 24 + [(False, True)]
    with pytest.raises(ResetNeeded):
        env.step("A1: TIGER")


def test_the_last_step_may_find_the_last_word():
    env = placed()
    for _ in range(19):
        say(env, "A1: XXXXX")
    for text in ("A1: TIGER", "A5: OATS", "D1: TOP", "D2: GECKO", "D3: RED"):
        say(env, text)
    assert say(env, "D4: USE") == Transition(1.0, True, False)


@pytest.mark.parametrize("text", ["A1: TIGER", " A1: TIGER\n", "a1: tiger", "A1: tIgEr"])
def test_parses_capitals_and_small_letters(text):
    parsed = TASK.parse(text, placed())
    assert (parsed.status, parsed.action, parsed.value) == ("ok", "A1: TIGER", "A1: TIGER")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("TIGER", "invalid"),
        ("A1 TIGER", "invalid"),
        ("A1:TIGER", "invalid"),
        ("A1:  TIGER", "invalid"),
        ("A1 : TIGER", "invalid"),
        ("A01: TIGER", "invalid"),
        ("A0: TIGER", "invalid"),
        ("1A: TIGER", "invalid"),
        ("E1: TIGER", "invalid"),
        ("`A1: TIGER`", "invalid"),
        ("A1: TIGER.", "invalid"),
        ("A1: TI GER", "invalid"),
        ("A1: T1GER", "invalid"),
        ("A1: TIGER\nA5: OATS", "invalid"),
        ("A1: T\u0131GER", "invalid"),
        ("A\u0662: TIGER", "invalid"),
        ("A1: \uff34IGER", "invalid"),
        ("junk " * 2000, "invalid"),
        ("A2: TIGER", "illegal"),
        ("D5: TIGER", "illegal"),
        ("A1: CAT", "illegal"),
        ("A1: TIGERS", "illegal"),
        ("A" + "9" * 5000 + ": CAT", "illegal"),
        ("A1: " + "A" * 5000, "illegal"),
    ],
)
def test_says_what_is_wrong_with_a_reply(text, status):
    parsed = TASK.parse(text, placed())
    assert (parsed.status, parsed.action, parsed.value) == (status, None, None)
    assert 0 < len(parsed.reason) <= 200


@pytest.mark.parametrize("text", ["A2: TIGER", "a1: cat"])
def test_illegal_actions_may_end_the_episode(text):
    task, env = Crossword(illegal="end"), placed()
    parsed = task.parse(text, env)
    assert (parsed.status, parsed.action) == ("ok", text.upper())
    assert task.step(env, parsed.value) == Transition(-1.0, True, False)
    assert task.parse("A1 TIGER", env).status == "invalid"
    with pytest.raises(ResetNeeded):
        env.step("A1: TIGER")


def test_settings():
    assert TASK.settings == {}
    assert Crossword(illegal="end").settings == {"illegal": "end"}
    with pytest.raises(UsageError, match="'replace' or 'end', not 'stop'"):
        Crossword(illegal="stop")


def test_legal_actions_are_any_letters_at_an_open_clue():
    env = placed()
    say(env, "A1: TIGER")
    legal = TASK.legal_actions(env)
    assert legal.describe() == (
        "A5: any 4 letters, D1: any 3 letters, D2: any 5 letters, D3: any 3 letters, "
        "D4: any 3 letters"
    )
    rng = np.random.default_rng(0)
    drawn = [sample_action(legal, rng) for _ in range(500)]
    assert {text.split(":")[0] for text in drawn} == {"A5", "D1", "D2", "D3", "D4"}
    assert {letter for text in drawn for letter in text.split(": ")[1]} == {
        chr(code) for code in range(ord("A"), ord("Z") + 1)
    }
    assert all(TASK.parse(text, env).action == text for text in drawn)
    assert isinstance(legal, AnyWord)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("crossword_new", ()),
        ("crossword_begun", ("A1: TIGER", "D2: GECKO")),
        ("crossword_nearly_solved", ("A1: TIGER", "A5: OATS", "D1: TOP", "D3: RED", "D4: USE")),
    ],
)
def test_looks_as_it_did(name, found):
    env = placed()
    for text in found:
        say(env, text)
    shown, path = TASK.observe(env, "ascii").text, GOLDEN / f"{name}.txt"
    if os.environ.get("ICIL_REDRAW"):
        path.write_text(shown + "\n", encoding="utf-8")
    assert shown + "\n" == path.read_text(encoding="utf-8")


def test_a_word_whose_letters_are_all_there_is_found_only_when_offered():
    across = [["A", row, 0, word, "x"] for row, word in enumerate(("TEN", "IFO", "POD"))]
    down = [["D", 0, column, word, "y"] for column, word in enumerate(("TIP", "EFO", "NOD"))]
    env = placed(across + down)
    for text in ("A1: TEN", "A4: IFO", "A5: POD"):
        assert say(env, text).reward == 1.0
    shown = TASK.observe(env, "ascii").text
    assert "_" not in shown
    assert shown.endswith("Down\nD1: y (3)\nD2: y (3)\nD3: y (3)")
    assert say(env, "D2: EFO") == Transition(1.0, False, False)
    assert "D2: y (EFO)" in TASK.observe(env, "ascii").text


def test_observing_changes_nothing():
    env = placed()
    before = TASK.state_key(env), env.np_random.bit_generator.state
    TASK.observe(env, "ascii")
    assert before == (TASK.state_key(env), env.np_random.bit_generator.state)
    with pytest.raises(UnknownNameError, match="ascii"):
        TASK.observe(env, "rgb")


def test_the_key_tells_apart_what_is_seen():
    one, other = placed(), placed([[*WORDS[0][:4], "another clue"], *WORDS[1:]])
    assert TASK.state_key(one) != TASK.state_key(other)
    assert TASK.state_key(one) == TASK.state_key(placed(WORDS[::-1]))


def test_demonstrations_solve_the_puzzle_in_random_order():
    orders = set()
    for index in range(20):
        opening = TASK.openings("demonstration")[index]
        shown = demonstrate(TASK, opening, "d")
        assert shown == demonstrate(TASK, opening, "d")
        assert shown.terminated
        assert shown.total == len(shown.steps) == len(opening.state["words"])
        assert len(list(render(TASK, shown, "ascii"))) == len(shown.steps)
        clues = [step.action.split(":")[0] for step in shown.steps]
        assert len(set(clues)) == len(clues)
        first = sorted(clues, key=lambda clue: (clue[0], int(clue[1:]))).index(clues[0])
        orders.add(first)
    assert len(orders) > 5


def test_scores_on_evaluation_openings():
    env, source = TASK.make_env(), TASK.openings("evaluation")
    rng, random, expert = np.random.default_rng(4), [], []
    for index in range(100):
        TASK.reset(env, source[index])
        expert.append(len(env.lengths))
        total, over = 0.0, False
        while not over:
            done = say(env, sample_action(TASK.legal_actions(env), rng))
            total, over = total + done.reward, done.terminated or done.truncated
        random.append(total)
    assert np.mean(random) == pytest.approx(0.0, abs=0.02)
    assert np.mean(expert) == pytest.approx(10.29, abs=4 * 1.08 / 100**0.5)
