"""Which states are near to an opening, in worlds of numbers, of texts and of pictures."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from icil.prompt_builders.embeddings.vicinity import NEAR, find_vicinity, see
from icil.tasks import Demonstration, Observation, Opening, Step, load_pool_for, make
from icil.tasks.demonstrations import state_digest
from icil.tasks.gridworld import Gridworld
from icil.tasks.pools import make_pool
from icil.tasks.windows import windowed


class Rooms(Gridworld):
    """The grid world in some of its formats, or with other numbers; `called` tells them apart."""

    def __init__(self, *formats, called="", state=None, steady=False):
        self.formats, self._called = formats, called
        self.image_formats = tuple({"rgb"} & set(formats))
        self._state, self._steady = state, steady

    @property
    def settings(self):
        return {"formats": self.formats, "called": self._called}

    def observe(self, env, format):
        if self._steady:
            return Observation(text="a room")
        seen = super().observe(env, format)
        return seen if self._state is None else replace(seen, state=self._state(env))


@pytest.fixture(scope="module")
def pool():
    """Forty demonstrations of the grid world, as they ship."""
    task = make("gridworld")
    return make_pool(task, load_pool_for(task).demonstrations[:40])


def seen(task, opening, format):
    with closing(task.make_env()) as env:
        task.reset(env, opening)
        return state_digest(task, env), task.observe(env, format)


@pytest.fixture
def one_step():
    """Returns a function that makes a demonstration of one step, in which nothing ends."""

    def one_step(task, state, action, id="planted", reward=0.0, outcome=None):
        opening = Opening(split="demonstration", index=0, state=state)
        with closing(task.make_env()) as env:
            task.reset(env, opening)
            digest = state_digest(task, env)
            if reward is None:
                reward = task.step(env, task.parse(action, env).value).reward
        step = Step(state=digest, action=action, reward=reward, outcome=outcome)
        return Demonstration(id=id, opening=opening, steps=(step,), terminated=False)

    return one_step


def test_states_of_a_coarse_world_are_near_to_themselves_alone(pool):
    task = make("gridworld")
    vicinity, source = find_vicinity(task, pool), task.openings("evaluation")
    assert vicinity.space.format == "coords"
    assert vicinity.typical > 0
    states = set(pool.passing)
    assert set(vicinity.states) == states
    found = [seen(task, source[number], "coords") for number in range(60)]
    assert any(state in states for state, _ in found)
    for state, observation in found:
        assert vicinity.near(observation) == {state} & states


def test_what_the_numbers_are_counted_in_makes_no_difference(pool):
    def shaken(factor):
        def state(env):
            noise = 1e-6 * np.sin(np.arange(4) + sum(env.player))
            return factor * (np.array(env.player + env.target, float) + noise)

        return Rooms("coords", called=f"shaken {factor}", state=state)

    vicinities = [find_vicinity(shaken(f), pool) for f in (1, np.array([1e-3, 1, 1e3, 1e6]))]
    one = pool.demonstrations[3].steps[0].state
    for vicinity in vicinities:
        assert vicinity.near_to(one) == {one}
    assert np.isclose(*(vicinity.typical for vicinity in vicinities), rtol=1e-3)


def test_noise_on_an_opening_is_near_and_a_tenth_of_the_way_to_another_is_the_limit(pool):
    task = make("gridworld")
    vicinity, one = find_vicinity(task, pool), pool.demonstrations[0]
    state, observation = seen(task, one.opening, "coords")

    def near(shift):
        moved = observation.state + np.array([shift, 0, 0, 0]) / vicinity.scale.factor[0]
        return vicinity.near(Observation(text="", state=moved))

    assert near(1e-6) == near(0) == {state}
    assert near(0.99 * NEAR * vicinity.typical) == {state}
    assert near(1.01 * NEAR * vicinity.typical) == frozenset()


def test_a_number_that_never_changes_in_the_pool_tells_states_apart(pool):
    def state(env):
        return np.array([*env.player, *env.target, 5.0])

    elsewhere = Rooms("coords", called="elsewhere", state=state)
    vicinity, one = find_vicinity(elsewhere, pool), pool.demonstrations[0]
    state, observation = seen(elsewhere, one.opening, "coords")
    assert vicinity.near(observation) == {state}
    other = observation.state + np.array([0, 0, 0, 0, 1.0])
    assert vicinity.near(Observation(text="", state=other)) == frozenset()


def test_one_pixel_makes_a_near_duplicate_of_a_picture(pool):
    task = Rooms("rgb")
    vicinity, source = find_vicinity(task, pool), task.openings("evaluation")
    for one in pool.demonstrations[:10]:
        state, observation = seen(task, one.opening, "rgb")
        image = observation.image.copy()
        image[100, 57] = 255 - image[100, 57]
        assert vicinity.near(Observation(image=image)) == {state}
    for number in range(40):
        state, observation = seen(task, source[number], "rgb")
        assert vicinity.near(observation) <= {state}


def test_one_pixel_of_an_atari_game():
    task = make("atari/phoenix")
    pool = make_pool(task, load_pool_for(task).demonstrations[:2])
    vicinity = find_vicinity(task, pool)
    state, observation = seen(task, pool.demonstrations[0].opening, "rgb")
    image = observation.image.copy()
    image[80, 80] = 255
    assert state in vicinity.near(Observation(image=image))
    for number in range(8):
        state, observation = seen(task, task.openings("evaluation")[number], "rgb")
        assert vicinity.near(observation) <= {state}


def test_a_position_of_chess_reached_by_another_order_of_moves_is_near(one_step):
    task = make("chess")
    real = load_pool_for(task).demonstrations[:20]
    state = {"eco": "B10", "name": "Caro-Kann", "chance_seed": 1}
    other = one_step(task, {**state, "moves": "d4 c6 e4"}, "d5", outcome="e4d5")
    vicinity = find_vicinity(task, make_pool(task, (*real, other)))
    opening = Opening(split="evaluation", index=0, state={**state, "moves": "e4 c6 d4"})
    digest, observation = seen(task, opening, vicinity.space.format)
    assert digest != other.steps[0].state
    assert vicinity.near(observation) == {other.steps[0].state}


def test_a_start_of_the_cheetah_that_was_shaken_is_near(one_step):
    task = make("cheetah")
    real = load_pool_for(task).demonstrations[:4]
    opening = task.openings("evaluation")[0]
    shaken = {name: [x + 1.1e-4 for x in numbers] for name, numbers in opening.state.items()}
    other = one_step(task, shaken, "[0, 0, 0, 0, 0, 0]", reward=None)
    vicinity = find_vicinity(task, make_pool(task, (*real, other)))
    digest, observation = seen(task, opening, vicinity.space.format)
    assert digest != other.steps[0].state
    assert vicinity.near(observation) == {other.steps[0].state}


def test_where_different_openings_look_the_same_nothing_is_near(pool):
    vicinity = find_vicinity(Rooms("ascii", called="steady", steady=True), pool)
    assert vicinity.typical == 0
    assert vicinity.near(Observation(text="a room")) == frozenset()
    assert vicinity.near_to(pool.demonstrations[0].steps[0].state) == frozenset()


def test_numbers_that_cannot_be_compared_are_compared_as_text(pool):
    task = Rooms("coords", called="endless", state=lambda env: np.full(4, np.inf))
    vicinity, one = find_vicinity(task, pool), pool.demonstrations[0]
    assert vicinity.space.embedding.name == "tfidf"
    state, observation = seen(task, one.opening, "coords")
    assert vicinity.near(observation) == {state}


def test_a_pool_of_one_is_measured_by_the_tasks_own_openings(pool):
    task, one = make("gridworld"), pool.demonstrations[0]
    vicinity = find_vicinity(task, make_pool(task, [one]))
    state, observation = seen(task, one.opening, "coords")
    assert vicinity.typical > 0
    assert vicinity.near(observation) == {state}
    assert set(vicinity.states) == one.states


def test_windows_have_the_states_of_what_they_were_cut_from(pool):
    task = make("gridworld")
    assert see(windowed(task, pool, 2)).hash == see(pool).hash
    assert see(pool.without(frozenset({"00003"}))).hash == see(pool).hash
    assert see(make_pool(task, pool.demonstrations[1:])).hash != see(pool).hash


def test_what_was_embedded_is_kept(pool, tmp_path, monkeypatch):
    from icil.prompt_builders.cache import VARIABLE
    from icil.prompt_builders.embeddings import vicinity

    class Counting(Rooms):
        observed = 0

        def observe(self, env, format):
            self.observed += 1
            return super().observe(env, format)

    def find():
        monkeypatch.setattr(vicinity, "_MADE", vicinity.Memo(1))  # as in another process
        task = Counting("coords", called="counting")
        return find_vicinity(task, pool), task.observed

    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    (first, made), (again, read) = find(), find()
    assert made > len(first.states) > 10 > read
    assert (first.points == again.points).all()
    assert first.typical == again.typical
