"""Perturbed experts' episodes in the cache: played once, the same for all, or refused."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

import pytest

from icil.prompt_builders.cache import VARIABLE
from icil.prompt_builders.synthesis import perturbed, propose_perturbed
from icil.tasks import UsageError, make
from icil.tasks.gridworld import Gridworld
from icil.tasks.gridworld.expert import ShortestPath


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def gridworld():
    return make("gridworld")


def refuse(*given):
    raise AssertionError(f"{given[1].index} is played")


def test_episodes_are_played_once(gridworld, monkeypatch):
    told = []
    first = propose_perturbed(gridworld, 0.5, 10, 1000, lambda *what: told.append(what))
    assert told == [("a perturbed expert plays gridworld", n, 10) for n in range(11)]
    monkeypatch.setattr(perturbed, "demonstrate", refuse)
    assert propose_perturbed(gridworld, 0.5, 10, 1000) == first
    assert propose_perturbed(gridworld, 0.5, 4, 1003).episodes == first.episodes[3:7]
    for changed in ((0.6, 10, 1000), (0.5, 11, 1000)):
        with pytest.raises(AssertionError, match="is played"):
            propose_perturbed(gridworld, *changed)


def test_what_is_interrupted_goes_on(gridworld, cache, monkeypatch):
    class StoppedError(Exception):
        pass

    def stop(what, done, total):
        if done == 6:
            raise StoppedError

    with pytest.raises(StoppedError):
        propose_perturbed(gridworld, 0.5, 10, 0, stop)
    played, real = [], perturbed.demonstrate
    monkeypatch.setattr(
        perturbed, "demonstrate", lambda *given: (played.append(given[1].index), real(*given))[1]
    )
    found = propose_perturbed(gridworld, 0.5, 10, 0)
    assert played == [6, 7, 8, 9]
    monkeypatch.setenv(VARIABLE, "off")
    assert propose_perturbed(gridworld, 0.5, 10, 0) == found


def test_damaged_entries_are_played_again(gridworld, cache):
    found = propose_perturbed(gridworld, 0.5, 3, 0)
    entries = sorted(cache.glob("synthetic-*/*.cached"))
    assert len(entries) == 3
    entries[1].write_bytes(entries[1].read_bytes()[:-5])
    assert propose_perturbed(gridworld, 0.5, 3, 0) == found


class Unsteady(Gridworld):
    """A world whose episodes never come out the same."""

    repeatable = False

    def __init__(self):
        self.steps = count(1)

    def step(self, env, value, outcome=None):
        done = super().step(env, value, outcome)
        return done._replace(outcome=next(self.steps))


def test_where_nothing_repeats_itself_the_cache_does(cache, monkeypatch):
    found = propose_perturbed(Unsteady(), 0.5, 5, 0)
    assert propose_perturbed(Unsteady(), 0.5, 5, 0) == found
    monkeypatch.setenv(VARIABLE, "off")
    with pytest.raises(
        UsageError, match=r"no cache to keep it in .*icil demos synthesize gridworld"
    ):
        propose_perturbed(Unsteady(), 0.5, 5, 0)


def test_two_at_a_time_get_the_same(cache):
    task, both = Unsteady(), Barrier(2)

    def propose(_):
        both.wait()
        return propose_perturbed(task, 0.5, 40, 0)

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(propose, range(2))
    assert one == other


class Patient(ShortestPath):
    slow = True


class Slow(Gridworld):
    def expert(self):
        return Patient()


def test_slow_experts_play_side_by_side_and_the_same(gridworld, monkeypatch):
    monkeypatch.setenv(VARIABLE, "off")
    told = []
    slow = propose_perturbed(Slow(), 0.5, 12, 0, lambda *what: told.append(what[1]))
    assert slow == propose_perturbed(gridworld, 0.5, 12, 0)
    assert told == list(range(13))


def test_experts_that_take_seconds_are_not_waited_for():
    with pytest.raises(
        UsageError,
        match=r"planner, the expert of cheetah, takes seconds for a step; let it play beforehand: "
        "`icil demos synthesize cheetah --proposer perturbed:noise=0.25 --add --out POOL`",
    ):
        propose_perturbed(make("cheetah"), 0.25, 1, 0)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch, gridworld):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    found = propose_perturbed(gridworld, 0.5, 3, 0)
    monkeypatch.setenv(VARIABLE, "off")
    assert found == propose_perturbed(gridworld, 0.5, 3, 0)
