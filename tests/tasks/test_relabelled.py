"""Tasks whose actions go by other names."""

import inspect
from contextlib import closing

import numpy as np
import pytest

from icil.tasks import Expert, Task, TaskWrapper, UsageError, demonstrate, make, render
from icil.tasks.conformance import check_task
from icil.tasks.demonstrations import state_digest
from icil.tasks.relabelled import derangement, relabel
from icil.tasks.seeding import generator

NAMES = ["gridworld", "tic_tac_toe"]
tasks = pytest.mark.parametrize("name", NAMES)


@tasks
def test_every_action_has_another_name_and_every_name_an_action(name):
    task = make(name)
    labels = relabel(task, 0).labels
    assert set(labels) == set(labels.values()) == set(task.vocabulary)
    assert all(action != label for action, label in labels.items())


@tasks
def test_seed_and_task_decide_the_names(name):
    task = make(name)
    assert relabel(task, 3).labels == relabel(make(name), 3).labels
    assert len({tuple(relabel(task, seed).labels.values()) for seed in range(20)}) > 5


@tasks
def test_it_keeps_the_contract_of_a_task(name):
    assert check_task(relabel(make(name), 0)) == ()


@tasks
def test_a_name_does_what_its_action_did(name):
    task = make(name)
    other = relabel(task, 0)
    for index in range(10):
        for action in task.vocabulary:
            with closing(task.make_env()) as env, closing(other.make_env()) as mirror:
                task.reset(env, task.openings("evaluation")[index])
                other.reset(mirror, other.openings("evaluation")[index])
                plain, label = task.parse(action, env), other.labels[action]
                named = other.parse(f" {label}\n", mirror)
                assert named.status == plain.status
                if plain.status != "ok":
                    assert action not in named.reason
                    assert label in named.reason
                    continue
                assert (named.action, named.value) == (label, plain.value)
                assert task.step(env, plain.value) == other.step(mirror, named.value)
                assert state_digest(task, env) == state_digest(other, mirror)


def test_the_list_of_legal_actions_tells_nothing_by_its_order():
    task = make("tic_tac_toe")
    other = relabel(task, 1)
    with closing(other.make_env()) as env:
        other.reset(env, other.openings("evaluation")[5])
        legal = task.legal_actions(env)
        assert list(other.legal_actions(env)) == sorted(other.labels[action] for action in legal)
        assert len(legal) < 9


def test_what_is_no_name_is_no_action():
    other = relabel(make("gridworld"), 0)
    with closing(other.make_env()) as env:
        other.reset(env, other.openings("evaluation")[0])
        assert [other.parse(text, env).status for text in ("", " ", "Up", "fly")] == [
            "empty",
            "empty",
            "invalid",
            "invalid",
        ]


@tasks
def test_its_expert_knows_the_names_and_its_traces_have_the_own_ones(name):
    task = make(name)
    other = relabel(task, 0)
    opening = task.openings("demonstration")[3]
    trace = demonstrate(other, opening, "a")
    assert trace == demonstrate(task, opening, "a")
    shown = [step.action for step in render(other, trace, "ascii")]
    assert shown == [other.labels[step.action] for step in trace.steps]
    with closing(other.make_env()) as env:
        other.reset(env, opening)
        draws = (generator("x", 0), generator("x", 0))
        said, meant = other.expert().act(env, draws[0]), task.expert().act(env, draws[1])
        assert said == other.labels[meant]
        good = task.expert().equally_good(env)
        assert other.expert().equally_good(env) == [other.labels[action] for action in good]


def test_its_settings_tell_the_names():
    task = make("gridworld")
    other = relabel(task, 0)
    assert other.settings == {"labels": other.labels}
    assert task.settings == {}
    assert other.plain is task is task.plain


def passed_on(base, wrapper):
    """What a wrapper takes from its base class, and not from what it wraps."""
    own = {name for name in vars(wrapper) if not name.startswith("_")}
    every = {name for name, _ in inspect.getmembers(base) if not name.startswith("_")}
    return every - own - set(base.__annotations__)


def test_it_passes_on_all_that_a_task_has():
    """What is added to `Task` one day and not here would be the base class's, not the task's."""
    task = make("tic_tac_toe")
    other = relabel(task, 0)
    # How demonstrations are told is a wrapper's own; the others go by what it passes on.
    assert passed_on(Task, TaskWrapper) == {"check_format", "pool_settings", "tell", "views"}
    assert passed_on(Expert, type(other.expert())) == set()
    attributes = set(Task.__annotations__)
    assert {name: getattr(other, name) for name in attributes} == {
        name: getattr(task, name) for name in attributes
    }


def test_the_actions_of_a_gym_environment_are_renamed_too():
    task = make("gym:CartPole-v1", {"actions": ["left", "right"]})
    assert relabel(task, 0).labels == {"left": "right", "right": "left"}
    assert make("gym:CartPole-v1").vocabulary == ("0", "1")
    assert make("gym:Pendulum-v1").vocabulary is None


def test_the_vocabulary_of_a_game_is_its_buttons():
    assert make("atari/breakout").vocabulary == ("NOOP", "FIRE", "RIGHT", "LEFT")


@pytest.mark.parametrize("name", ["cheetah", "chess", "crossword"])
def test_actions_that_are_no_list_cannot_be_renamed(name):
    with pytest.raises(UsageError, match=f"the actions of {name} are no fixed list of names"):
        relabel(make(name), 0)


def test_one_action_alone_cannot_change_its_name(monkeypatch):
    task = make("gridworld")
    monkeypatch.setattr(type(task), "vocabulary", ("up",))
    with pytest.raises(UsageError, match="no two actions"):
        relabel(task, 0)


def test_derangements_are_uniform():
    rng = np.random.default_rng(0)
    drawn = [tuple(derangement(4, rng)) for _ in range(900)]
    counts = {one: drawn.count(one) for one in drawn}
    assert len(counts) == 9
    assert all(one[place] != place for one in counts for place in range(4))
    assert min(counts.values()) > 70
