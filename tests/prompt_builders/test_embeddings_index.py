"""Indexes: weighted, rounded, compared exactly, made once and kept on disk."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest

from icil.prompt_builders import embeddings
from icil.prompt_builders.cache import VARIABLE
from icil.prompt_builders.embeddings import FunctionEmbedding
from icil.prompt_builders.embeddings.index import (
    Scale,
    all_cosines,
    cosines,
    find_index,
    learn_scale,
    locate,
    make_index,
)
from icil.prompt_builders.embeddings.memo import Memo
from icil.prompt_builders.embeddings.space import Space, space_for
from icil.tasks import PoolError, UsageError, render
from icil.tasks.windows import windowed


def located(raw):
    raw = np.asarray(raw, np.float32)
    return locate(Scale(np.zeros(raw.shape[1]), np.ones(raw.shape[1])).apply(raw))


def test_cosines_are_those_of_the_vectors_nearly():
    rng = np.random.default_rng(0)
    for width in (1, 3, 384, 1024):
        raw = rng.standard_normal((200, width))
        unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        found = all_cosines(located(raw[:20]), located(raw))
        np.testing.assert_allclose(found, unit[:20] @ unit.T, atol=6e-4)
        np.testing.assert_array_equal(cosines(located(raw[:1]), located(raw)), found[0])


def test_cosines_are_exact_whatever_the_order_of_the_sums():
    """Every order of the dimensions gives the same bits, and equal vectors a cosine of 1."""
    rng = np.random.default_rng(1)
    raw = rng.standard_normal((300, 700)) + 3
    raw[150:] = raw[:150]
    vectors = located(raw)
    first = cosines(vectors.at(slice(0, 1)), vectors)
    assert first[0] == first[150] == first.max() == pytest.approx(1, abs=1e-15)
    np.testing.assert_array_equal(first[:150], first[150:])
    for _ in range(5):
        order = rng.permutation(700)
        other = located(raw[:, order])
        np.testing.assert_array_equal(cosines(other.at(slice(0, 1)), other), first)
    np.testing.assert_array_equal(all_cosines(vectors, vectors)[0], first)
    assert vectors.vectors.dtype == np.float32
    assert (vectors.vectors == np.rint(vectors.vectors)).all()
    assert vectors.lengths.max() < 2**12


def test_weightings():
    raw = np.array([[1, 0, 2, 5], [3, 0, 0, 5], [5, 4, -1, 5]], np.float32)
    plain = learn_scale(raw, "plain")
    np.testing.assert_array_equal([plain.shift, plain.factor], [[0] * 4, [1] * 4])
    idf = learn_scale(raw, "idf")
    np.testing.assert_array_equal(idf.shift, [0] * 4)
    np.testing.assert_allclose(idf.factor, [1, np.log(4 / 2) + 1, np.log(4 / 3) + 1, 1])
    centred = learn_scale(raw, "centred")
    np.testing.assert_allclose(centred.shift, [3, 4 / 3, 1 / 3, 5], rtol=1e-6)
    np.testing.assert_array_equal(centred.factor, [1] * 4)
    standardised = learn_scale(raw, "standardised")
    np.testing.assert_allclose(standardised.factor[0], 1 / np.sqrt(8 / 3))
    assert standardised.factor[3] == 0  # what is constant tells nothing


def test_a_constant_number_that_is_no_binary_fraction_tells_nothing_either():
    raw = np.full((1000, 1), 0.1, np.float32)
    assert learn_scale(raw, "standardised").factor == [0]
    assert not learn_scale(raw, "standardised").apply(raw).any()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def space(watched):
    return Space(task=watched, format="ascii", embedding=embeddings.make("tfidf"))


def files(folder):
    return sorted(folder.rglob("*.cached"))


@pytest.mark.usefixtures("folder")
def test_rows_are_in_the_order_of_the_ids(space, pool):
    backwards = replace(pool, demonstrations=pool.demonstrations[::-1])
    one, other = make_index(pool, space), make_index(backwards, space)
    assert one.ids == other.ids == tuple(sorted(pool.by_id))
    np.testing.assert_array_equal(one.rows.vectors, other.rows.vectors)
    assert [backwards.demonstrations[place].id for place in other.places] == list(one.ids)
    part = backwards.without(frozenset(one.ids[:5]))
    rows, places = one.find(part)
    assert [one.ids[row] for row in rows] == list(one.ids[5:])
    assert [part.demonstrations[place].id for place in places] == list(one.ids[5:])


def test_a_pool_is_embedded_once_and_then_read(folder, space, watched, pool):
    first = make_index(pool, space)
    assert watched.observed == 2 + len(pool.demonstrations)
    (kept,) = files(folder)
    watched.observed = 0
    second = make_index(pool, space)
    assert watched.observed == 2  # whether it still looks as it did
    np.testing.assert_array_equal(first.rows.vectors, second.rows.vectors)
    assert files(folder) == [kept]


@pytest.mark.parametrize("damage", ["cut", "bit", "empty"])
def test_what_is_damaged_on_disk_is_made_again(folder, space, watched, pool, damage):
    first = make_index(pool, space)
    (kept,) = files(folder)
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes({"cut": content[:500], "bit": content, "empty": b""}[damage])
    watched.observed = 0
    second = make_index(pool, space)
    assert watched.observed == 2 + len(pool.demonstrations)
    np.testing.assert_array_equal(first.rows.vectors, second.rows.vectors)
    watched.observed = 0
    make_index(pool, space)
    assert watched.observed == 2


def test_without_a_cache_it_is_made_each_time(space, watched, pool, monkeypatch):
    monkeypatch.setenv(VARIABLE, "off")
    for _ in range(2):
        watched.observed = 0
        make_index(pool, space)
        assert watched.observed == len(pool.demonstrations)


def test_what_differs_has_an_entry_of_its_own(folder, space, pool, watched):
    def entries(space, pool=pool):
        make_index(pool, space)
        return len(files(folder))

    assert entries(space) == 1
    assert entries(replace(space, of="episode")) == 2
    assert entries(replace(space, format="rgb", embedding=embeddings.make("pixels"))) == 3
    other = replace(pool, card=pool.card.model_copy(update={"hash": "0" * 64}))
    assert entries(space, other) == 4
    watched.version = 99
    assert entries(space) == 5
    # An edited function goes by the same name, and what it makes does not.
    for number in range(2):
        edited = FunctionEmbedding("mine", lambda seen, number=number: [len(seen.text), number])
        assert entries(replace(space, embedding=edited)) == 6 + number
    assert entries(space) == 7


def test_a_part_of_a_pool_is_not_kept_on_disk(folder, space, pool):
    part = pool.without(frozenset({"00003"}))
    assert make_index(part, space).ids == tuple(sorted(pool.by_id.keys() - {"00003"}))
    assert files(folder) == []


@pytest.mark.usefixtures("folder")
def test_in_a_process_it_is_made_once_for_all_threads(space, watched, pool):
    watched.version = 6  # nobody else asks for these
    waiting = Barrier(8)

    def find(_):
        waiting.wait()
        return find_index(pool, space)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(find, range(8)))
    assert len({id(one) for one in found}) == 1
    assert watched.observed == 2 + len(pool.demonstrations)


@pytest.mark.usefixtures("folder")
def test_each_demonstration_of_parts_is_embedded_once(space, watched, pool):
    watched.version = 7  # nobody else asks for these
    for out in range(5):
        index = make_index(pool.without(frozenset({f"{out:05}", f"{out + 1:05}"})), space)
        assert len(index.ids) == 38
    assert watched.observed <= len(pool.demonstrations)


@pytest.mark.usefixtures("folder")
def test_an_opening_is_embedded_once(space, watched, pool, task):
    watched.version = 8
    index = make_index(pool, space)
    watched.observed = 0
    opening = task.openings("evaluation")[5]
    one, other = index.query(opening), index.query(task.openings("evaluation")[5])
    assert watched.observed == 1
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert (index.query(task.openings("evaluation")[6]).vectors != one.vectors).any()


@pytest.mark.usefixtures("folder")
def test_a_demonstration_is_its_opening_or_the_mean_of_its_states(space, pool, task):
    tfidf = embeddings.make("tfidf")
    shown = [
        tfidf.embed([seen.observation for seen in render(task, one, "ascii")])
        for one in pool.demonstrations
    ]
    openings = space.embed_demonstrations(pool.demonstrations)
    np.testing.assert_array_equal(openings, [one[0] for one in shown])
    means = replace(space, of="episode").embed_demonstrations(pool.demonstrations)
    np.testing.assert_allclose(means, [one.mean(axis=0) for one in shown], rtol=1e-6)
    assert (means != openings).any()


@pytest.mark.usefixtures("folder")
def test_a_window_is_where_it_begins(space, pool, task):
    cut = windowed(task, pool, 1)
    assert len(cut.demonstrations) > len(pool.demonstrations)
    index = make_index(cut, space)
    tfidf = embeddings.make("tfidf")
    for one in cut.demonstrations[:12]:
        (seen,) = (shown.observation for shown in render(task, one, "ascii"))
        row = index.rows.vectors[index.ids.index(one.id)]
        np.testing.assert_array_equal(row, index.scale.apply(tfidf.embed([seen]))[0])


@pytest.mark.usefixtures("folder")
def test_pictures_that_the_cache_keeps_are_embedded_from_there():
    from icil.tasks import load_pool_for, make

    chess = make("chess")
    (one, *_) = load_pool_for(chess).demonstrations
    short = replace(one, steps=one.steps[:3], terminated=False)
    space = Space(task=chess, format="rgb", embedding=embeddings.make("pixels"), of="episode")
    drawn = [seen.observation for seen in render(chess, short, "rgb")]
    expected = embeddings.make("pixels").embed(drawn)
    for _ in range(2):
        np.testing.assert_array_equal(space.embed_states(short), expected)


def test_the_default_is_what_suits_the_format(watched, task):
    opening = task.openings("evaluation")[0]
    for format, expected in (("ascii", "tfidf"), ("rgb", "pixels")):
        assert space_for(task, format, opening, None, "opening").embedding.name == expected
    own = FunctionEmbedding("mine", lambda seen: [1])
    assert space_for(task, "ascii", opening, own, "opening").embedding is own


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([np.nan, 1], "the embedding mine gave NaN or infinite numbers for tic_tac_toe ascii"),
        ([np.inf, 1], "gave NaN or infinite numbers"),
        ([1e300, 1], "gave NaN or infinite numbers"),
    ],
)
def test_what_is_no_number_is_refused(space, pool, answers, message):
    with pytest.raises(UsageError, match=message):
        make_index(pool, replace(space, embedding=FunctionEmbedding("mine", lambda _: answers)))


@pytest.mark.usefixtures("folder")
def test_sizes_that_change_are_refused_also_between_batches(space, pool):
    class Growing(FunctionEmbedding):
        batches = 0

        def embed(self, observations):
            self.batches += 1
            return np.ones((len(observations), 2 + self.batches // 20))

    mine = replace(space, embedding=Growing("mine", lambda _: [1]), of="episode")
    with pytest.raises(UsageError, match="gave vectors of 2 and of 3 numbers for tic_tac_toe asc"):
        mine.embed_demonstrations(pool.demonstrations)


def test_an_embedding_that_forgets_an_observation_is_refused(space, pool):
    class Short(FunctionEmbedding):
        def embed(self, observations):
            return super().embed(observations)[1:]

    mine = replace(space, embedding=Short("short", lambda _: [1, 2]))
    with pytest.raises(UsageError, match=r"short gave an array of shape \(39, 2\) for 40 obse"):
        mine.embed_demonstrations(pool.demonstrations)


def test_a_demonstration_that_begins_elsewhere_is_refused(space, pool):
    (one, other, *_) = pool.demonstrations
    wrong = replace(one, opening=other.opening)
    with pytest.raises(PoolError, match="00000 of tic_tac_toe does not replay: it does not begin"):
        space.embed_demonstrations([wrong])


def test_a_memo_makes_a_value_once_and_forgets_the_oldest():
    memo, made = Memo(2), []

    def make(key):
        made.append(key)
        return key.upper()

    for key in "aabab":
        assert memo.get(key, lambda key=key: make(key)) == key.upper()
    assert made == ["a", "b"]
    memo.get("c", lambda: make("c"))  # the oldest is the one that was not asked for longest: a
    memo.get("b", lambda: make("b"))
    memo.get("a", lambda: make("a"))
    assert made == ["a", "b", "c", "a"]


def test_what_could_not_be_made_is_tried_again():
    memo = Memo(2)

    def fail():
        raise UsageError("not yet")

    with pytest.raises(UsageError):
        memo.get("a", fail)
    assert memo.get("a", lambda: 7) == 7


def test_openings_are_told_apart_by_their_states_too(space, pool, task):
    index = make_index(pool, space)
    opening = task.openings("evaluation")[0]
    board = json.loads(json.dumps(dict(opening.state))) | {"board": "x........"}
    assert (
        index.query(opening).vectors != index.query(replace(opening, state=board)).vectors
    ).any()
