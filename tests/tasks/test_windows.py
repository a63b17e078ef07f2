"""Pools cut into windows."""

import pytest

from icil.tasks import build_pool, make
from icil.tasks.demonstrations import state_digest
from icil.tasks.windows import windowed

TASK = make("gridworld")


@pytest.fixture(scope="module")
def pool():
    return build_pool(TASK, 30)


def test_a_windowed_pool_is_one_of_its_own(pool):
    cut = windowed(TASK, pool, 3)
    assert sum(len(d.steps) for d in cut.demonstrations) == sum(
        len(d.steps) for d in pool.demonstrations
    )
    assert cut.card.demonstrations == len(cut.by_id) == len(cut.demonstrations) > 30
    assert cut.card.steps_max == 3
    assert (cut.card.expert, cut.card.split) == (pool.card.expert, pool.card.split)
    assert len({pool.hash, cut.hash, windowed(TASK, pool, 4).hash}) == 3
    assert windowed(TASK, pool, 3) == cut


def test_episodes_that_are_shorter_are_one_window_each(pool):
    cut = windowed(TASK, pool, 100)
    assert len(cut.demonstrations) == 30
    assert [d.steps for d in cut.demonstrations] == [d.steps for d in pool.demonstrations]


def test_a_state_is_passed_through_by_the_window_that_shows_it(pool):
    cut = windowed(TASK, pool, 2)
    whole = next(d for d in pool.demonstrations if len(d.steps) >= 4)
    env = TASK.make_env()
    TASK.reset(env, whole.opening)
    assert f"{whole.id}[0:2]" in cut.passing[state_digest(TASK, env)]
    assert not any(id.startswith(f"{whole.id}[2") for id in cut.passing[state_digest(TASK, env)])
    assert f"{whole.id}[2:4]" in cut.passing[whole.steps[2].state]
