"""The action language."""

from collections import Counter

import numpy as np
import pytest

from icil.tasks import parse_choice, sample_action
from icil.tasks.actions import describe_actions, excerpt

KNOWN = {"left": 0, "right": 1, "stay": 2}


class Box:
    """A space of actions that cannot be listed."""

    def describe(self):
        return "a number from 0 to 1"

    def sample(self, rng):
        return f"{rng.random():.3f}"


@pytest.mark.parametrize(
    ("text", "status", "action", "value"),
    [
        ("left", "ok", "left", 0),
        (" \tright\n", "ok", "right", 1),
        ("", "empty", None, None),
        ("\n ", "empty", None, None),
        ("Left", "invalid", None, None),
        ("left right", "invalid", None, None),
        ("stay", "illegal", None, None),
    ],
)
def test_reads_a_reply_to_the_letter(text, status, action, value):
    parsed = parse_choice(text, KNOWN, ["left", "right"])
    assert (parsed.status, parsed.action, parsed.value) == (status, action, value)
    assert (parsed.reason is None) == (status == "ok")


def test_a_reason_holds_an_excerpt_alone():
    parsed = parse_choice("x" * 10_000, KNOWN, KNOWN)
    assert parsed.reason == f"'{'x' * 39}…' is not an action"
    assert excerpt("x" * 40) == repr("x" * 40)


def test_draws_every_listed_action_equally_often():
    rng, draws = np.random.default_rng(0), 6000
    counts = Counter(sample_action(("a", "b", "c"), rng) for _ in range(draws))
    assert set(counts) == {"a", "b", "c"}
    assert all(abs(n - 2000) < 5 * (draws * 2 / 9) ** 0.5 for n in counts.values())


def test_the_draw_is_the_generators():
    drawn = [
        [sample_action("abcdefgh", rng) for _ in range(20)]
        for rng in map(np.random.default_rng, (1, 1, 2))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_space_draws_and_describes_itself():
    assert sample_action(Box(), np.random.default_rng(1)) == "0.512"
    assert describe_actions(Box()) == "a number from 0 to 1"
    assert describe_actions(("b", "a")) == "b, a"
