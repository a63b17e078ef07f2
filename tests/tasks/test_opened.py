"""Tasks whose evaluation starts where a pool does."""

import pytest

from icil.tasks import (
    OpeningsError,
    PoolError,
    UnknownNameError,
    UsageError,
    build_pool,
    load_pool,
    make,
)
from icil.tasks.demonstrations import state_digest
from icil.tasks.pools import save_pool, shipped_pool
from icil.tasks.references import load_references


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pools") / "pool"
    save_pool(build_pool(make("gridworld"), 30), folder)
    return folder


@pytest.fixture(scope="module")
def pool(folder):
    return load_pool(folder)


def test_evaluation_starts_where_the_pool_does_each_state_once(folder, pool):
    task = make("gridworld", {"openings": str(folder)})
    source, env = task.openings("evaluation"), task.make_env()
    states = [one.steps[0].state for one in pool.demonstrations]
    found = []
    for number in range(source.distinct):
        assert (source[number].index, source[number].split) == (number, "evaluation")
        task.reset(env, source[number])
        found.append(state_digest(task, env))
    assert found == list(dict.fromkeys(states))


def test_all_else_is_the_tasks(folder, pool):
    task, itself = make("gridworld", {"openings": str(folder)}), make("gridworld")
    assert task.openings("demonstration")[3] == itself.openings("demonstration")[3]
    assert task.settings == {"openings": pool.hash}
    assert task.plain is task
    assert load_references(itself)
    assert load_references(task) == {}  # those that ship are of other openings
    spoken = make("cheetah", {"action_language": "dct", "chunk": 10})
    assert spoken.openings("evaluation")[0] == make("cheetah").openings("evaluation")[0]


def test_its_actions_are_the_tasks(folder):
    itself = make("gridworld")
    assert make("gridworld", {"openings": str(folder)}).vocabulary == itself.vocabulary
    itself = make("cheetah")
    task = make("cheetah", {"openings": str(shipped_pool("cheetah"))})
    assert task.action_box is not None
    assert task.action_box.low.tolist() == itself.action_box.low.tolist()
    vector = task.action_box.high / 3
    assert task.word(vector) == itself.word(vector)
    task = make("chess", {"language": "uci", "openings": str(shipped_pool("chess"))})
    env = task.make_env()
    first = load_pool(shipped_pool("chess")).demonstrations[0]
    task.reset(env, first.opening)
    said = task.express(first.steps[0].action, env)
    assert task.parse(said, env).status == "ok"
    env.close()


def test_a_pool_of_it_is_one_of_the_task(folder):
    card = build_pool(make("gridworld", {"openings": str(folder)}), 3).card
    assert make(card.task, card.task_settings).settings == card.task_settings == {}


def test_there_are_no_more_than_the_pool_has(folder):
    source = make("gridworld", {"openings": str(folder)}).openings("evaluation")
    for number in (-1, source.distinct):
        with pytest.raises(OpeningsError, match=f"openings of gridworld; number {number} is not"):
            source[number]


def test_what_is_no_pool_of_the_task_is_refused(folder, tmp_path):
    with pytest.raises(PoolError, match="is of gridworld version"):
        make("tic_tac_toe", {"openings": str(folder)})
    with pytest.raises(PoolError, match="no pool of demonstrations at"):
        make("gridworld", {"openings": str(tmp_path / "none")})
    for value in (3, "", None):
        with pytest.raises(UsageError, match="openings is the folder of a pool"):
            make("gridworld", {"openings": value})
    with pytest.raises(UnknownNameError, match="openngs"):
        make("gridworld", {"openngs": str(folder)})
