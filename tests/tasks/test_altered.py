"""Windows and altered demonstrations: the right states, whatever is shown as done in them."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from icil.tasks import (
    EnumeratedOpenings,
    Observation,
    PoolError,
    Task,
    demonstrate,
    load_pool_for,
    make,
    parse_choice,
    render,
    replay,
)
from icil.tasks.demonstrations import alter, shown_actions, source_of, windows
from icil.tasks.openings import take

TASKS = [make("gridworld"), make("tic_tac_toe")]


def demonstration(task, least=3):
    made = (demonstrate(task, o, f"{o.index:05d}") for o in take(task.openings("evaluation"), 200))
    return next(d for d in made if len(d.steps) >= least)


def same(one, other):
    return one.text == other.text and np.array_equal(one.image, other.image)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_an_altered_demonstration_shows_the_true_states_with_other_actions(task):
    true = demonstration(task)
    actions = tuple(f"act {number}" for number in range(len(true.steps)))
    altered = alter(true, "nonsense", actions)
    assert altered.id == f"{true.id}~nonsense"
    assert (altered.opening, altered.states) == (true.opening, true.states)
    assert shown_actions(task, altered) == actions
    for format in task.formats:
        shown, seen = list(render(task, altered, format)), list(render(task, true, format))
        assert [step.action for step in shown] == list(actions)
        assert len(shown) == len(seen)
        assert all(same(a.observation, b.observation) for a, b in zip(shown, seen, strict=True))


def test_altering_twice_alters_what_was_played():
    task = TASKS[0]
    true = demonstration(task)
    once = alter(true, "one", ("a",) * len(true.steps))
    twice = alter(once, "two", ("b",) * len(true.steps))
    assert twice.id == f"{true.id}~one~two"
    assert twice.true is true
    assert {action for _, action in replay(task, twice)} == {"b"}


def test_a_demonstration_of_another_task_is_shown_as_that_task_does():
    grid, board = TASKS
    true = demonstration(board)
    foreign = replace(alter(true, "x", shown_actions(board, true)), task=board, format="ascii")
    shown, own = render(grid, foreign, "coords"), render(board, true, "ascii")
    assert [(s.observation.text, s.action) for s in shown] == [
        (s.observation.text, s.action) for s in own
    ]
    assert source_of(grid, foreign, "coords").task is board


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("length", [1, 2, 3, 100])
def test_windows_are_the_episode_cut_into_pieces(task, length):
    true = demonstration(task)
    cut = windows(true, length)
    assert [s for window in cut for s in window.steps] == list(true.steps)
    assert {len(window.steps) for window in cut[:-1]} <= {length}
    assert len({window.id for window in cut}) == len(cut)
    assert cut[0].id == f"{true.id}[0:{min(length, len(true.steps))}]"
    assert [window.terminated for window in cut] == [False] * (len(cut) - 1) + [true.terminated]
    assert sum(window.total for window in cut) == true.total
    for format in task.formats:
        whole = list(render(task, true, format))
        pieces = [shown for window in cut for shown in render(task, window, format)]
        assert [a.action for a in pieces] == [a.action for a in whole]
        assert all(same(a.observation, b.observation) for a, b in zip(pieces, whole, strict=True))


def test_a_window_has_only_the_states_that_it_shows():
    true = demonstration(TASKS[0], least=4)
    first, second, *_ = windows(true, 2)
    assert first.states == {step.state for step in true.steps[:2]}
    assert true.steps[0].state not in second.states


def test_a_window_of_an_altered_state_does_not_replay():
    task = TASKS[0]
    true = demonstration(task, least=4)
    untrue = replace(true, steps=(replace(true.steps[0], state="0" * 16), *true.steps[1:]))
    window = windows(untrue, 2)[1]
    with pytest.raises(PoolError, match="step 0: the state differs"):
        list(render(task, window, "ascii"))


class CountingEnv(gymnasium.Env):
    closed = 0

    def reset(self, *, seed=None, options=None):
        self.place = 0
        return 0, {}

    def step(self, action):
        self.place += 1
        return 0, 1.0, self.place == 6, False, {}

    def close(self):
        type(self).closed += 1


class Counting(Task):
    """Six steps, whatever is done; its actions are worded by where they are taken."""

    name, version, summary, formats, horizon = "counting", 1, "counts", ("text",), 6

    def make_env(self):
        return CountingEnv()

    def openings(self, split):
        return EnumeratedOpenings("counting", 1, split, [{"n": n} for n in range(4)])

    def state_key(self, env):
        return str(env.place)

    def observe(self, env, format):
        return Observation(text=str(env.place))

    def legal_actions(self, env):
        return (f"on {env.place}",)

    def parse(self, text, env):
        return parse_choice(text, {f"on {env.place}": 0}, self.legal_actions(env))

    def express(self, action, env):
        return f"on {env.place}"

    def expert(self):
        raise NotImplementedError


def test_a_window_is_played_no_further_than_it_is_shown_and_closes_its_world(monkeypatch):
    monkeypatch.setattr(CountingEnv, "closed", 0)
    task = Counting()
    true = demonstrate(task, task.openings("demonstration")[0], "a", "random")
    CountingEnv.closed = 0
    window = windows(true, 2)[1]
    places = [env.place for env, _ in replay(task, window)]
    assert places == [2, 3]
    assert CountingEnv.closed == 1


def test_actions_are_worded_where_they_were_taken():
    task = Counting()
    true = demonstrate(task, task.openings("demonstration")[0], "a", "random")
    assert shown_actions(task, true) == tuple(f"on {n}" for n in range(6))
    assert shown_actions(task, windows(true, 4)[1]) == ("on 4", "on 5")


def test_moves_of_chess_are_worded_in_the_language_that_is_set():
    uci, san = make("chess", {"language": "uci"}), make("chess")
    true = load_pool_for(san).demonstrations[0]
    worded = shown_actions(uci, true)
    assert worded == tuple(action for _, action in replay(uci, true))
    assert worded != shown_actions(san, true) == tuple(step.action for step in true.steps)
