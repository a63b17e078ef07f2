"""Demonstrations by those who cannot play: true episodes, from the same openings."""

from contextlib import closing

import pytest

from icil.tasks import PoolError, UsageError, make, render, replay
from icil.tasks.demonstrations import Window, play_episode
from icil.tasks.expert import Expert
from icil.tasks.pools import Origin, make_pool
from icil.tasks.seeding import generator
from icil.tasks.windows import windowed

BOTH = pytest.mark.parametrize("control", ["wrong_expert", "wrong_expert=adversary"])


@BOTH
@pytest.mark.parametrize("name", ["grid", "board"])
def test_they_are_true_episodes_from_the_same_openings(control, name, request):
    setting = request.getfixturevalue(name)
    plain, shown = setting.select(30), setting.alter(control, 30)
    for one, other in zip(plain.demonstrations, shown.demonstrations, strict=True):
        assert other.id == f"{one.id}~{control}"
        assert other.opening == one.opening
        assert other.steps[0].state == one.steps[0].state
        assert len(list(render(setting.task, other, "ascii"))) == len(other.steps)
    totals = [sum(d.total for d in s.demonstrations) for s in (plain, shown)]
    assert totals[1] < totals[0] - 10


@BOTH
def test_they_are_the_same_each_time_and_played_once(control, grid, setting):
    bound = grid.bind(control)
    once = bound.alter(grid.select(12), grid.scope())
    again = bound.alter(grid.select(12), grid.scope(8))
    assert [id(d) for d in once.demonstrations] == [id(d) for d in again.demonstrations]
    assert setting().alter(control, 12) == once
    assert grid.alter(control, 24).demonstrations[:12] == once.demonstrations


@pytest.mark.parametrize("name", ["grid", "board"])
def test_an_adversary_never_does_what_the_expert_would(name, request):
    setting = request.getfixturevalue(name)
    task = setting.task
    several = 0
    for demonstration in setting.alter("wrong_expert=adversary", 40).demonstrations:
        for env, action in replay(task, demonstration):
            legal = task.legal_actions(env)
            with closing(task.expert()) as expert:
                good = set(expert.equally_good(env))
            assert action not in good or good == set(legal)
            several += action not in good and len(good) > 1
    assert several > 10


def test_the_random_player_does_all_there_is(grid):
    shown = grid.alter("wrong_expert", 40).demonstrations
    counts = {}
    for step in (step for one in shown for step in one.steps):
        counts[step.action] = counts.get(step.action, 0) + 1
    assert set(counts) == {"up", "down", "left", "right"}
    assert max(counts.values()) < 1.5 * min(counts.values())


def test_none_passes_through_an_opening_that_is_evaluated(board):
    plain, free = board.select(60), board.alter("wrong_expert", 60)
    later = {step.state for d in free.demonstrations for step in d.steps[1:]}
    starts = {d.steps[0].state for d in plain.demonstrations}
    guarded = frozenset(later - starts)
    assert len(guarded) > 50
    # Not all of them at once: hardly an episode would be left.
    for state in sorted(guarded)[:20]:
        kept = board.alter("wrong_expert", 60, guarded=lambda state=state: frozenset({state}))
        assert not any(state in d.states for d in kept.demonstrations)
        pairs = list(zip(free.demonstrations, kept.demonstrations, strict=True))
        again = [new for old, new in pairs if state in old.states]
        assert again
        assert all(new.id.startswith("0") and ":" in new.id for new in again)
        assert all(old == new for old, new in pairs if state not in old.states)


def test_an_opening_that_cannot_but_be_shown_is_refused(board):
    one = board.select(1).demonstrations[0]
    with pytest.raises(PoolError, match="100 episodes of tic_tac_toe from the opening of demonst"):
        board.alter("wrong_expert", 1, guarded=lambda: frozenset({one.steps[0].state}))


@BOTH
def test_a_window_begins_where_the_experts_begins(control, setting):
    grid = setting(window=3)
    grid.pool = windowed(grid.task, grid.pool, 3)
    plain, shown = grid.select(30), grid.alter(control, 30)
    assert sum(one.first > 0 for one in plain.demonstrations) > 10
    for one, other in zip(plain.demonstrations, shown.demonstrations, strict=True):
        assert isinstance(other, Window)
        assert other.id == f"{one.id}~{control}"
        assert other.first == one.first
        assert other.steps[0].state == one.steps[0].state
        assert 1 <= len(other.steps) <= 3
        beginning = [step.action for step in other.whole.steps[: one.first]]
        assert beginning == [step.action for step in one.whole.steps[: one.first]]
        assert len(list(render(grid.task, other, "coords"))) == len(other.steps)
    assert len(set(shown.ids)) == 30


@BOTH
def test_a_world_that_does_not_do_the_same_twice_is_refused(control, setting):
    with pytest.raises(UsageError, match=f"control {control}: an episode of chess that is played"):
        setting("chess", "fen").bind(control)


def test_an_adversary_needs_actions_that_can_be_listed(setting):
    cheetah = setting("cheetah", "proprio")
    with pytest.raises(UsageError, match="the legal actions of cheetah cannot be listed"):
        cheetah.bind("wrong_expert=adversary")
    (one,) = cheetah.alter("wrong_expert", 1).demonstrations
    assert len(one.steps) == 100
    assert one.total < 5


class Pusher(Expert):
    name = "pusher"

    def act(self, env, rng):
        return "1"


def test_an_adversary_needs_an_expert(setting):
    cart = setting()
    cart.task, cart.format = make("gym:CartPole-v1"), "proprio"
    opening = cart.task.openings("demonstration")[0]
    played = play_episode(cart.task, opening, "a", Pusher(), lambda *_: generator("none"))
    origin = Origin(expert="pusher", expert_settings={})
    cart.pool = make_pool(cart.task, [played], origin=origin)
    with pytest.raises(UsageError, match="gym:CartPole-v1 has no expert to do otherwise than"):
        cart.bind("wrong_expert=adversary")
    (one,) = cart.alter("wrong_expert", 1).demonstrations
    assert {step.action for step in one.steps} == {"0", "1"}


def test_another_value_is_refused(grid):
    with pytest.raises(UsageError, match=r"or wrong_expert=adversary, got 'worse'"):
        grid.bind("wrong_expert=worse")
