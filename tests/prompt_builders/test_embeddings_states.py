"""States: every state of a pool, compared exactly, each different one kept once."""

from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from icil.prompt_builders import embeddings
from icil.prompt_builders.cache import VARIABLE
from icil.prompt_builders.embeddings import FunctionEmbedding
from icil.prompt_builders.embeddings.index import cosines, learn_scale, locate
from icil.prompt_builders.embeddings.space import Space
from icil.prompt_builders.embeddings.states import find_states, make_states
from icil.tasks import UsageError, render, replay
from icil.tasks.demonstrations import Window
from icil.tasks.windows import windowed


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def space(watched):
    return Space(task=watched, format="ascii", embedding=embeddings.make("tfidf"))


def files(folder):
    return sorted(folder.rglob("*.cached"))


def seen(task, demonstration, format="ascii"):
    return [shown.observation for shown in render(task, demonstration, format)]


def slowly(space, pool, asked):
    """The best step of each demonstration and its similarity, one state after the other."""
    embed = space.embedding.embed
    states = {d.id: embed(seen(space.task, d, space.format)) for d in pool.demonstrations}
    every = np.concatenate([states[id] for id in sorted(states)])
    scale = learn_scale(np.unique(every, axis=0), space.embedding.weighting)
    query = locate(scale.apply(embed([asked])))
    found = []
    for id in sorted(states):
        similar = [float(cosines(query, locate(scale.apply(row[None])))[0]) for row in states[id]]
        found.append((max(similar), similar.index(max(similar))))
    return found


@pytest.mark.parametrize(("format", "name"), [("ascii", "tfidf"), ("rgb", "pixels")])
def test_a_demonstration_is_as_similar_as_its_nearest_state(task, pool, format, name):
    space = Space(task=task, format=format, embedding=embeddings.make(name))
    index = make_states(pool, space)
    assert index.ids == tuple(sorted(pool.by_id))
    steps = set()
    for demonstration in pool.demonstrations[:12]:
        with closing(replay(task, demonstration)) as states:
            (env, _) = list(islice(states, len(demonstration.steps)))[-1]
            asked = task.observe(env, format)
        match = index.match(asked)
        expected = slowly(space, pool, asked)
        assert match.demonstrations == pytest.approx([s for s, _ in expected], abs=1e-12)
        found = [index.step(match, row) for row in range(len(index.ids))]
        assert found == [step for _, step in expected]
        steps.update(found)
        own = index.ids.index(demonstration.id)
        assert match.demonstrations[own] == match.demonstrations.max() == pytest.approx(1)
    assert len(steps) > 1


def test_equal_states_are_kept_once(task, pool):
    def count(observation):
        return [observation.text.count("x"), observation.text.count("o"), 1.0]

    embedding = FunctionEmbedding("counted", count)
    index = make_states(pool, Space(task=task, format="ascii", embedding=embedding))
    counts = [tuple(count(o)) for id in index.ids for o in seen(task, pool.by_id[id])]
    assert len(index.numbers) == len(counts) > len(set(counts)) == len(index.vectors)
    assert index.vectors.dtype == np.int16
    assert len(set(zip(index.numbers, counts, strict=True))) == len(index.vectors)


def test_the_earliest_of_equally_near_steps_counts(task, pool):
    embedding = FunctionEmbedding("alike", lambda observation: [1.0, 0.0])
    index = make_states(pool, Space(task=task, format="ascii", embedding=embedding))
    assert index.alike
    match = index.match(seen(task, pool.demonstrations[0])[-1])
    assert {index.step(match, row) for row in range(len(index.ids))} == {0}
    assert set(match.demonstrations) == {1.0}


def test_a_pool_is_embedded_once_and_then_read(folder, space, watched, pool):
    first = make_states(pool, space)
    assert watched.observed >= sum(len(d.steps) for d in pool.demonstrations)
    kept, watched.observed = files(folder), 0
    second = make_states(pool, space)
    assert watched.observed <= 2 * len(kept)  # whether it still looks as it did
    assert files(folder) == kept
    for name in ("vectors", "numbers", "firsts"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    asked = seen(watched, pool.demonstrations[3])[-1]
    np.testing.assert_array_equal(first.match(asked).states, second.match(asked).states)


def test_a_part_is_looked_up_in_the_whole(space, watched, pool):
    watched.version = 21  # nobody else asks for these
    whole = find_states(pool, space)
    watched.observed = 0
    part = pool.without(frozenset(whole.ids[:5]))
    assert find_states(part, space) is whole
    assert watched.observed == 0
    rows, places = whole.find(part)
    assert [whole.ids[row] for row in rows] == list(whole.ids[5:])
    assert [part.demonstrations[place].id for place in places] == list(whole.ids[5:])


def test_what_is_no_whole_pool_is_not_kept_on_disk(folder, space, pool):
    few = replace(pool, demonstrations=pool.demonstrations[:7])
    assert len(make_states(few, space).ids) == 7
    assert files(folder) == []


def test_an_episode_in_windows_is_played_once(space, watched, task, pool):
    cut = windowed(task, pool, 1)
    watched.envs = 0
    index = make_states(cut, space)
    wholes = {d.whole.id for d in cut.demonstrations if isinstance(d, Window)}
    assert len(index.ids) > len(wholes)
    assert watched.envs <= len(wholes) + 2 * 3  # and the few that tell whether a cache is true
    states = make_states(pool, space)
    np.testing.assert_array_equal(index.vectors[index.numbers], states.vectors[states.numbers])


def test_a_state_of_another_size_is_refused(task, pool):
    sizes = iter([2] * (sum(len(d.steps) for d in pool.demonstrations) + 20))
    embedding = FunctionEmbedding("growing", lambda observation: [1.0] * next(sizes, 3))
    index = make_states(pool, Space(task=task, format="ascii", embedding=embedding))
    asked = seen(task, pool.demonstrations[0])[0]
    list(sizes)
    with pytest.raises(UsageError, match="3 numbers for a state, and of 2 for those of the pool"):
        index.match(asked)
