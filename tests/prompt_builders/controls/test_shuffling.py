"""Shuffled actions, and shuffled demonstrations."""

from icil.tasks.demonstrations import Altered


def actions(demonstration):
    if isinstance(demonstration, Altered):
        return demonstration.actions
    return tuple(step.action for step in demonstration.steps)


def test_each_demonstration_has_its_own_actions_in_another_order(grid):
    plain, shown = grid.select(64), grid.alter("shuffle_actions", 64)
    pairs = list(zip(plain.demonstrations, shown.demonstrations, strict=True))
    for one, other in pairs:
        assert other.id == f"{one.id}~shuffle_actions"
        assert sorted(actions(other)) == sorted(actions(one))
        assert other.true is one
    moved = [actions(one) != actions(other) for one, other in pairs if len(set(actions(one))) > 1]
    assert sum(moved) > 0.6 * len(moved) > 10


def test_a_demonstration_is_shuffled_alike_whoever_is_shown_it(grid, setting):
    once = grid.alter("shuffle_actions", 16)
    assert grid.alter("shuffle_actions", 16, who=8) == once
    assert grid.alter("shuffle_actions", 32).demonstrations[:16] == once.demonstrations
    assert setting(seed=1).alter("shuffle_actions", 16) != once


def test_a_shuffled_order_has_the_same_demonstrations(grid):
    plain, shown = grid.select(64), grid.alter("shuffle_order", 64)
    assert shown.ids != plain.ids
    assert set(shown.ids) == set(plain.ids)
    assert {id(one) for one in shown.demonstrations} == {id(one) for one in plain.demonstrations}
    assert grid.alter("shuffle_order", 64) == shown
    assert grid.alter("shuffle_order", 64, who=8) != shown


def test_one_after_the_other(grid):
    noisy = grid.alter("noise=1", 8)
    both = grid.bind("shuffle_actions").alter(noisy, grid.scope())
    for one, other in zip(noisy.demonstrations, both.demonstrations, strict=True):
        assert other.id == f"{one.id}~shuffle_actions"
        assert sorted(other.actions) == sorted(one.actions)
        assert other.true is one.true
    assert both.reasons[0] == f"{noisy.reasons[0]}; with its actions shuffled"
