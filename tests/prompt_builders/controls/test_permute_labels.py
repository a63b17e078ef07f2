"""Demonstrations whose actions go by other names."""

import pytest

from icil.tasks import UsageError, render, replay
from icil.tasks.relabelled import Relabelled


@pytest.mark.parametrize("name", ["grid", "board"])
def test_every_action_is_shown_by_its_other_name(name, request):
    setting = request.getfixturevalue(name)
    bound = setting.bind("permute_labels")
    labels = bound.settings["labels"]
    plain = setting.select(20)
    shown = bound.alter(plain, setting.scope())
    assert isinstance(bound.task, Relabelled)
    for one, other in zip(plain.demonstrations, shown.demonstrations, strict=True):
        assert other.id == f"{one.id}~permute_labels"
        # The task that is played and the one that is not give the same.
        for task in (setting.task, bound.task):
            seen = [s.action for s in render(task, other, setting.format)]
            assert seen == [labels[step.action] for step in one.steps]
    assert shown.reasons == ("wanted; with its actions renamed",) * 20


def test_the_names_are_those_of_the_task_that_is_played(grid):
    bound = grid.bind("permute_labels")
    (one,) = bound.alter(grid.select(1), grid.scope()).demonstrations
    for (env, _), label in zip(
        replay(grid.task, grid.select(1).demonstrations[0]), one.actions, strict=True
    ):
        parsed = bound.task.parse(label, env)
        assert parsed.status == "ok"
        assert bound.task.labels[grid.task.vocabulary[parsed.value]] == label


def test_others_tasks_actions_keep_their_names(grid):
    irrelevant = grid.alter("irrelevant", 4)
    bound = grid.bind("permute_labels")
    assert bound.alter(irrelevant, grid.scope()).demonstrations == irrelevant.demonstrations


def test_noise_is_renamed_too(grid):
    noisy = grid.alter("noise=1", 8)
    bound = grid.bind("permute_labels")
    shown = bound.alter(noisy, grid.scope())
    for one, other in zip(noisy.demonstrations, shown.demonstrations, strict=True):
        assert other.actions == tuple(bound.settings["labels"][action] for action in one.actions)


@pytest.mark.parametrize(("name", "format"), [("cheetah", "proprio"), ("chess", "fen")])
def test_a_task_whose_actions_cannot_be_listed_is_refused(setting, name, format):
    with pytest.raises(UsageError, match=f"control permute_labels: the actions of {name} are no"):
        setting(name, format).bind("permute_labels")


def test_it_takes_no_value(grid):
    with pytest.raises(UsageError, match="control permute_labels takes no value, got 'up'"):
        grid.bind("permute_labels=up")
