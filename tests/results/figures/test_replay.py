"""Replay accuracy: what a teacher-forced run reproduced, step by step."""

import numpy as np
import pytest

from icil.results.figures import draw_replay, make_replays
from icil.results.figures.replay import why_no_replay
from icil.results.figures.scale import Size

FORCED = {"episodes": 2, "teacher_forced": True}


@pytest.fixture
def forced(make_store, make_cell, play, answer):
    """Two agents: one right at every step, one in two episodes of different lengths."""
    good = make_cell("good", selector="", demonstrations=1)
    bad = make_cell("bad", selector="random", demonstrations=4)
    store = make_store(good, bad, experiment=FORCED)
    play(store, good, 0, 1.0, steps=[answer(agrees=True)] * 3)
    play(store, bad, 0, 0.5, steps=[answer(agrees=True), answer(agrees=False)])
    play(store, bad, 1, 0.0, steps=[answer(agrees=False)])
    return store


def test_the_share_of_each_step_is_over_the_episodes_that_have_it(forced):
    bad, good = make_replays(forced)
    assert (bad.agent, bad.selector, bad.size) == ("bad", "random", Size(0, 4))
    assert bad.shares.tolist() == [0.5, 0.0]
    assert bad.whole == pytest.approx(1 / 3)
    assert (good.agent, good.selector, good.size) == ("good", "", Size(0, 1))
    assert good.shares.tolist() == [1.0, 1.0, 1.0]


def test_a_row_is_a_cell_and_ends_where_no_episode_was_longer(forced):
    (axes,) = draw_replay(make_replays(forced)).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["bad, k = 4", "good, k = 1"]
    (image,) = axes.images
    grid = np.ma.filled(image.get_array(), np.nan)
    assert grid[0].tolist()[:2] == [0.5, 0.0]
    assert np.isnan(grid[0, 2])
    assert grid[1].tolist() == [1.0, 1.0, 1.0]
    assert [text.get_text() for text in axes.texts] == ["0.33", "1.00"]


def test_one_that_looks_at_nothing_stands_in_every_format(make_store, make_cell, play, answer):
    cell = make_cell("random")
    store = make_store(cell, experiment=FORCED)
    play(store, cell, 0, 0.0, steps=[answer(agrees=False)])
    assert [one.format for one in make_replays(store)] == ["ascii", "rgb"]
    titles = [axes.get_title() for axes in draw_replay(make_replays(store)).axes]
    assert titles == ["toy · ascii", "toy · rgb"]


def test_errors_do_not_count(make_store, make_cell, play, answer):
    cell = make_cell()
    store = make_store(cell, experiment=FORCED)
    play(store, cell, 0, status="error", steps=[answer(agrees=True)])
    assert make_replays(store) == ()
    assert draw_replay(()) is None
    assert why_no_replay(True, ()) == "no episode is finished"


def test_a_run_that_is_not_teacher_forced_has_none(make_store, make_cell, play, answer):
    cell = make_cell()
    store = make_store(cell)
    play(store, cell, 0, 1.0, steps=[answer(agrees=True)])
    assert make_replays(store) == ()
    assert "not teacher-forced" in why_no_replay(False, ())
