"""The expert beside an episode: what it would do, and when it begins anew."""

from contextlib import closing

import pytest

from icil.tasks import ContractError, Expert, Opening
from icil.tasks.adviser import Adviser
from icil.tasks.gridworld import Gridworld

OPENING = Opening(split="evaluation", index=0, state={"player": [5, 5], "target": [3, 3]})


class Planner(Expert):
    """Walks down the list of moves that it made when it began: rows first from an odd row."""

    name = "planner"

    def __init__(self):
        self.begun, self.closed = [], 0

    def begin(self, env):
        self.begun.append(env.player)
        up, left = env.player[0] - env.target[0], env.player[1] - env.target[1]
        moves = [["up"] * up, ["left"] * left]
        first, second = moves if env.player[0] % 2 else moves[::-1]
        self.plan = first + second

    def act(self, env, rng):
        return self.plan.pop(0)

    def close(self):
        self.closed += 1


class World(Gridworld):
    def __init__(self, expert):
        self.own = expert

    def expert(self):
        return self.own


def advise(task, actions):
    """What the expert would do at each step, and where the actions depart."""
    with closing(Adviser(task, OPENING)) as adviser, closing(task.make_env()) as env:
        task.reset(env, OPENING)
        found = []
        for step, action in enumerate(actions):
            found.append(set(adviser.choices(env, step, action)))
            env.step(task.parse(action, env).value)
        return found, adviser.departs


def test_a_plan_is_kept_to_while_the_episode_does():
    expert = Planner()
    found, departs = advise(World(expert), ["up", "up", "left", "left"])
    # Begun anew in row 4, it would have gone left.
    assert found == [{"up"}, {"up"}, {"left"}, {"left"}]
    assert departs is None
    assert expert.begun == [(5, 5)]
    assert expert.closed == 1


def test_off_its_course_it_begins_anew_in_each_state():
    expert = Planner()
    found, departs = advise(World(expert), ["up", "left", "up", "left"])
    assert departs == 1
    assert expert.begun == [(5, 5), (4, 4), (3, 4)]
    assert found == [{"up"}, {"up"}, {"left"}, {"left"}]


def test_those_equally_good_are_all_on_course():
    found, departs = advise(Gridworld(), ["up", "left", "down", "up"])
    assert found == [{"up", "left"}] * 3 + [{"up", "left"}]
    assert departs == 2


def test_what_is_drawn_is_what_the_expert_draws_in_a_run():
    class Drawing(Expert):
        name = "drawing"

        def act(self, env, rng):
            return ("up", "left", "down", "right")[rng.integers(4)]

    first, _ = advise(World(Drawing()), ["up"] * 6)
    again, _ = advise(World(Drawing()), ["left"] * 6)
    assert first == again
    assert len({frozenset(one) for one in first}) > 1


def test_an_expert_that_says_what_is_no_action_breaks_its_contract():
    class Lost(Expert):
        name = "lost"

        def act(self, env, rng):
            return "sideways"

    with pytest.raises(ContractError, match="the expert of gridworld answered 'sideways'"):
        advise(World(Lost()), ["up"])
