"""What demonstrations show, as it is remembered: the nearest states, and their ties."""

import numpy as np
import pytest

from icil.harness.agents.memory import Memories
from icil.tasks import Observation


@pytest.fixture
def recall(script):
    """Returns a function that tells what was done in the states nearest to a text."""

    def recall(seen, *shown, legal=None):
        recorded = [
            script.recorded(str(number), list(states), list(actions))
            for number, (states, actions) in enumerate(shown)
        ]
        memory = Memories().of(script, "text", recorded)
        return memory.nearest(Observation(text=seen), legal)

    return recall


def test_the_nearest_alone(recall):
    assert recall("at 3", (("at 1", "at 4", "at 9"), "abc")) == ("b",)


def test_all_that_are_equally_near_in_the_order_shown(recall):
    assert recall("at 3", (("at 4", "at 9"), "cd"), (("at 2", "at 4"), "ba")) == ("c", "b", "a")


def test_an_action_stands_once(recall):
    assert recall("at 3", (("at 4", "at 2", "at 4"), "aba")) == ("a", "b")


def test_ties_among_other_wordings(recall):
    assert recall("xyz", (("xyw", "xwz", "www"), "abc")) == ("a", "b")
    # One of the same wording is nearer than any other, however far its numbers.
    assert recall("at 3", (("at x", "at 99"), "ab")) == ("b",)


def test_only_where_what_was_done_is_legal(recall):
    shown = (("at 3", "at 4", "at 5"), "abb")
    assert recall("at 3", shown, legal=("b", "c")) == ("b",)
    assert recall("at 3", shown, legal=("c",)) == ()
    assert recall("at 3", shown, legal=()) == ()


def test_ties_among_images(script):
    dark, light = (np.full((32, 32, 3), value, np.uint8) for value in (0, 255))
    script.images = {"dark": dark, "light": light, "again": dark.copy()}
    recorded = script.recorded("0", ["dark", "light", "again"], list("abc"))
    memory = Memories().of(script, "pixels", [recorded])
    assert memory.nearest(Observation(image=dark)) == ("a", "c")
    assert memory.nearest(Observation(image=light)) == ("b",)
    assert memory.actions.tolist() == ["a", "b", "c"]
