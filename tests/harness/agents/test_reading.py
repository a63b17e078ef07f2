"""Reading replies to the letter and leniently."""

import numpy as np
import pytest

from icil.harness.agents.reading import read_reply
from icil.tasks import make


@pytest.fixture(scope="module")
def worlds():
    made = {}
    for name in ("gridworld", "chess", "crossword", "cheetah"):
        task = make(name)
        env = task.make_env()
        task.reset(env, task.openings("evaluation")[0])
        made[name] = (task, env)
    yield made
    for _, env in made.values():
        env.close()


@pytest.fixture
def read(worlds):
    def read(name, reply, reasoning=False, reader="lenient"):
        task, env = worlds[name]
        return read_reply(task, env, reply, reasoning=reasoning, reader=reader)

    return read


MEANT = [
    ("gridworld", "up", "up"),
    ("gridworld", " up\n", "up"),
    ("gridworld", "`up`", "up"),
    ("gridworld", "'up'", "up"),
    ("gridworld", "“up”", "up"),
    ("gridworld", "**up**", "up"),
    ("gridworld", "up.", "up"),
    ("gridworld", "Action: up", "up"),
    ("gridworld", "**Action:** up", "up"),
    ("gridworld", "Final answer: `up`.", "up"),
    ("gridworld", "```\nup\n```", "up"),
    ("gridworld", "```text\nup\n```\nThat is closer.", "up"),
    ("gridworld", "The target is above, so I go up.", "up"),
    ("gridworld", "I could go left or right.\n\nI go **up**!", "up"),
    ("gridworld", "Let me think. Action: up", "up"),
    ("cheetah", "Here it is: [0, 0.5, -1, 1, 0.25, 0].", "[0, 0.5, -1, 1, 0.25, 0]"),
]
NOT_MEANT = ["", "   ", "no idea", "jump", "Up we go then", "the upper one", "```\n```", "..."]


@pytest.mark.parametrize(("task", "reply", "action"), MEANT)
def test_an_action_is_found_where_it_is_meant(read, worlds, task, reply, action):
    wanted = worlds[task][0].parse(action, worlds[task][1])
    found = read(task, reply)
    assert (found.counts.status, found.counts.action) == ("ok", wanted.action)


@pytest.mark.parametrize("reply", NOT_MEANT)
def test_nothing_is_made_up(read, reply):
    assert read("gridworld", reply).counts.status in ("empty", "invalid")


@pytest.mark.parametrize(("task", "reply", "action"), MEANT)
def test_strict_reading_takes_the_action_alone_and_tells_of_the_other(read, task, reply, action):
    strict = read(task, reply, reader="strict")
    assert (strict.counts.status == "ok") == (reply.strip() == action)
    assert strict.otherwise == "ok"


def test_both_readings_swap_places(read):
    for reply in ("`up`", "I say jump", ""):
        strict = read("gridworld", reply, reader="strict")
        lenient = read("gridworld", reply)
        assert (strict.counts.status, strict.otherwise) == (
            lenient.otherwise,
            lenient.counts.status,
        )


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        ("." * 5_000_000 + "\nSo I go **up**.", "up"),
        ("So I go " + "up " * 2_000_000, "up"),
        ("`up`\n" + "because " * 1_000_000, "up"),
        ("```\n" * 1_000_000 + "down\n```", "down"),
        ("up" * 5_000_000, None),
        ("!" * 5_000_000, None),
        ("[" * 5_000_000 + "]", None),
        ("x" * 5_000_000 + " up " + "x" * 5_000_000, None),
    ],
)
def test_a_long_reply_is_read_at_its_ends(read, reply, action):
    found = read("gridworld", reply).counts
    assert (found.action, found.status == "ok") == (action, action is not None)


def test_what_follows_the_last_mark_counts_where_reasoning_was_asked_for(read):
    reply = "Action: left would hit the wall.\nAction: up"
    assert read("gridworld", reply, reasoning=True, reader="strict").counts.action == "up"
    assert read("gridworld", reply, reasoning=False, reader="strict").counts.status == "invalid"


def test_a_move_that_is_an_action_but_not_allowed_is_illegal_in_both(read):
    found = read("chess", "I play **Qh5xh8**, or e9.")
    assert found.counts.status in ("invalid", "illegal")
    illegal = read("chess", "`O-O-O`")
    assert (illegal.counts.status, illegal.otherwise) == ("illegal", "invalid")


def test_words_of_a_crossword_may_stand_at_the_end(read, worlds):
    task, env = worlds["crossword"]
    action = task.legal_actions(env).sample(np.random.default_rng(0))
    found = read("crossword", f"The clue is easy: I write **{action}**.")
    assert found.counts.status == "ok"
