"""Demonstrations of another task, in a format of the same kind."""

import pytest

from icil.tasks import PoolError, UnknownNameError, UsageError, load_pool_for, make, render


def others(setting, name, control, format, count=20, **more):
    return setting(name, format, **more).alter(control, count)


@pytest.mark.parametrize(
    ("name", "format", "control", "task", "shown"),
    [
        ("gridworld", "coords", "irrelevant", "tic_tac_toe", "ascii"),
        ("gridworld", "rgb", "irrelevant", "tic_tac_toe", "rgb"),
        ("tic_tac_toe", "ascii", "irrelevant", "gridworld", "ascii"),
        ("crossword", "ascii", "irrelevant", "gridworld", "ascii"),
        ("gridworld", "coords", "irrelevant=crossword", "crossword", "ascii"),
        ("tic_tac_toe", "ascii", "irrelevant=chess", "chess", "ascii"),
    ],
)
def test_they_are_shown_as_their_task_shows_them(setting, name, format, control, task, shown):
    own, other = make(name), make(task)
    pool = load_pool_for(other).by_id
    selection = others(setting, name, control, format, 2)
    assert selection.reasons == (f"drawn uniformly from {task}",) * 2
    for one in selection.demonstrations:
        id, _, how = one.id.partition("~")
        assert how == f"irrelevant:{task}"
        seen, true = render(own, one, format), render(other, pool[id], shown)
        for a, b in zip(seen, true, strict=True):
            assert a.action == b.action
            assert a.observation.text == b.observation.text
            assert (a.observation.image is None) == (format != "rgb")


def test_they_are_drawn_at_random_and_nested(setting):
    first = others(setting, "gridworld", "irrelevant", "coords")
    assert others(setting, "gridworld", "irrelevant", "ascii").ids == first.ids
    assert others(setting, "gridworld", "irrelevant", "coords", 40).ids[:20] == first.ids
    assert others(setting, "gridworld", "irrelevant", "coords", seed=1).ids != first.ids
    assert setting().alter("irrelevant", 20, who=8).ids != first.ids


def test_they_are_windows_where_all_are(setting):
    grid = setting(window=2)
    shown = grid.alter("irrelevant", 20)
    assert {len(d.steps) for d in shown.demonstrations} == {1, 2}
    assert all("[" in id for id in shown.ids)


def test_the_settings_tell_what_is_shown(setting):
    grid = setting()
    assert grid.bind("irrelevant").settings == {
        "task": "tic_tac_toe",
        "version": 1,
        "format": "ascii",
        "pool": load_pool_for(make("tic_tac_toe")).hash,
    }


def test_an_unknown_task_is_answered_with_the_nearest(grid):
    with pytest.raises(UnknownNameError, match="control irrelevant: 'ches'; did you mean 'chess'"):
        grid.bind("irrelevant=ches")
    with pytest.raises(UnknownNameError, match=r"irrelevant: 'nosuch'; known: .*crossword"):
        grid.bind("irrelevant=nosuch")


@pytest.mark.parametrize(
    ("format", "value", "error", "said"),
    [
        ("coords", "gridworld", UsageError, "demonstrations of gridworld are not irrelevant"),
        ("rgb", "crossword", UsageError, "gridworld rgb is images, and crossword is not shown as"),
        ("coords", "atari/phoenix", UsageError, "coords is text, and atari/phoenix is not shown"),
        ("rgb", "atari/breakout", PoolError, "no pool of atari/breakout ships with icil"),
        ("rgb", "atari/brakeout", UnknownNameError, "did you mean 'breakout'"),
    ],
)
def test_what_cannot_be_shown_is_refused(setting, format, value, error, said):
    with pytest.raises(error, match=said):
        setting(format=format).bind(f"irrelevant={value}")


def test_more_than_there_are_are_refused(grid):
    with pytest.raises(PoolError, match="1001 demonstrations were asked for; the pool of tic_tac"):
        grid.bind("irrelevant", most=1001)
