"""Selectors by embeddings: what they choose of points whose places are known."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest

from icil.prompt_builders import Query, selectors
from icil.prompt_builders.embeddings import FunctionEmbedding
from icil.prompt_builders.selectors import clusters, facilities
from icil.prompt_builders.selectors.diversity import DiversitySelector
from icil.prompt_builders.selectors.random import RandomSelector
from icil.prompt_builders.selectors.relevance import RelevanceSelector
from icil.tasks import Opening, PoolError, UsageError, make, render
from icil.tasks.demonstrations import demonstrate
from icil.tasks.pools import make_pool

TARGET = (10, 10)
CELLS = [(row, column) for row in range(1, 10) for column in range(1, 10)]
STATES = ("relevance:of=state", "relevance:query=step")
"""They look at all states, which a world of points does not place."""
ALL = [
    *("random", "random:order=ascending", "relevance", "relevance:order=shuffled"),
    *STATES,
    *("diversity", "diversity:kcenter", "diversity:mmr", "diversity:facility_location"),
    *("curriculum", "curriculum:by=surprise", "hard", "hard:by=return"),
]


class World(NamedTuple):
    """Demonstrations that an embedding puts where it is told."""

    pool: object
    query: Query
    embedding: FunctionEmbedding

    def choose(self, selector, k, seed=0, pool=None):
        return selector.select(pool or self.pool, self.query, k, np.random.default_rng(seed))


def opening(number, cell):
    state = {"player": list(cell), "target": list(TARGET), "chance_seed": 0}
    return Opening(split="demonstration", index=number, state=state)


@pytest.fixture
def place():
    """Returns a function that makes a world of points; the query is at (1, 0)."""
    task = make("gridworld")

    def place(points, query=(1, 0)):
        where = {CELLS[i]: point for i, point in enumerate(points)} | {CELLS[-1]: query}
        pool = make_pool(
            task,
            [demonstrate(task, opening(i, CELLS[i]), f"{i:05}") for i in range(len(points))],
        )
        asked = Query(task=task, format="coords", opening=opening(0, CELLS[-1]))

        def embed(observation):
            row, column = observation.state[:2].astype(int)
            return where[row, column]

        return World(pool, asked, FunctionEmbedding("points", embed))

    return place


def around(*degrees):
    angles = np.radians(degrees)
    return list(zip(np.cos(angles), np.sin(angles), strict=True))


def numbers(selection):
    return [int(id) for id in selection.ids]


def test_relevance_takes_the_nearest_first_with_their_similarity(place):
    world = place(around(80, 10, 180, 30, -20, 91))
    selector = RelevanceSelector(embedding=world.embedding)
    assert numbers(world.choose(selector, 6)) == [1, 4, 3, 0, 5, 2]
    found = world.choose(selector, 3)
    assert numbers(found) == [1, 4, 3]
    assert found.reasons == tuple(
        f"similarity {s} to the opening" for s in ("0.98", "0.94", "0.87")
    )


def test_the_length_of_a_vector_is_nothing_to_relevance(place):
    world = place([(100, 90), (1e-3, 0), (3, -1)])
    assert numbers(world.choose(RelevanceSelector(embedding=world.embedding), 3)) == [1, 2, 0]


def test_ties_go_to_the_smaller_id_also_where_only_some_of_the_equals_are_taken(place):
    world = place([(1, 1), (1, 0), (1, 1), (2, 0), (1, 1), (3, 0), (5, 5)])
    selector = RelevanceSelector(embedding=world.embedding)
    for k, expected in ((1, [1]), (3, [1, 3, 5]), (5, [1, 3, 5, 0, 2])):
        assert numbers(world.choose(selector, k)) == expected


def test_a_vector_of_zeros_is_like_nothing(place):
    world = place([(0, 0), (1, 0), (-1, 0), (0, 1)])
    found = world.choose(RelevanceSelector(embedding=world.embedding), 4)
    assert numbers(found) == [1, 0, 3, 2]
    assert found.reasons[1] == "similarity 0.00 to the opening"
    lost = place([(1, 0), (0, 1)], query=(0, 0))
    assert numbers(lost.choose(RelevanceSelector(embedding=lost.embedding), 2)) == [0, 1]


def test_where_all_look_alike_the_reason_says_so(place):
    world = place([(1, 2)] * 5)
    found = world.choose(RelevanceSelector(embedding=world.embedding), 2)
    assert numbers(found) == [0, 1]
    assert found.reasons[0].endswith("; all demonstrations look alike")
    other = place([(1, 2), (2, 1)])
    assert "alike" not in other.choose(RelevanceSelector(embedding=other.embedding), 1).reasons[0]


@pytest.fixture
def walks():
    """Three walks along a row, and an embedding of the place: the target does not matter."""
    around = np.arange(12)

    def place(seen):
        return np.exp(-((seen.state[:2, None] - around) ** 2) / 8).ravel()

    task, embedding = make("gridworld"), FunctionEmbedding("place", place)
    starts = [(9, 1), (1, 9), (5, 5)]
    shown = [demonstrate(task, opening(i, cell), f"{i:05}") for i, cell in enumerate(starts)]
    return task, make_pool(task, shown), embedding


def test_at_each_step_those_are_nearest_that_pass_closest_by(walks):
    task, pool, embedding = walks
    selector = RelevanceSelector(embedding=embedding, query="step")
    assert selector.each_step
    assert not RelevanceSelector().each_step
    first = opening(0, (1, 1))
    last = set()
    for demonstration in pool.demonstrations:
        for step, shown in enumerate(render(task, demonstration, "coords")):
            query = Query(task=task, format="coords", opening=first, observation=shown.observation)
            found = selector.select(pool, query, 3, np.random.default_rng(0))
            ids = selector.select(pool, query, 1, np.random.default_rng(1)).ids
            assert ids == found.ids[:1]
            assert sorted(found.ids) == sorted(pool.by_id)
            own = found.reasons[found.ids.index(demonstration.id)]
            assert own == f"similarity 1.00 of step {step} to the present state"
            assert found.reasons[0].startswith("similarity 1.00 of step ")
            last.add(found.ids)
    assert len(last) > 1


def test_what_is_asked_at_each_step_goes_by_the_opening_where_nothing_was_seen(walks):
    task, pool, embedding = walks
    selector = RelevanceSelector(embedding=embedding, query="step")
    query = Query(task=task, format="coords", opening=pool.demonstrations[1].opening)
    found = selector.select(pool, query, 1, np.random.default_rng(0))
    assert found.ids == ("00001",)
    assert found.reasons == ("similarity 1.00 of step 0 to the present state",)


def test_an_opening_can_be_looked_for_among_all_states(walks):
    task, pool, embedding = walks
    (way,) = [d for d in pool.demonstrations if d.id == "00002"]
    *_, (last, _) = render(task, way, "coords")
    row, column = (int(n) for n in last.state[:2])
    there = opening(7, (row, column))
    query = Query(task=task, format="coords", opening=there)
    rng = np.random.default_rng(0)
    found = RelevanceSelector(embedding=embedding, of="state").select(pool, query, 3, rng)
    number = found.ids.index("00002")
    step = len(way.steps) - 1
    assert found.reasons[number] == f"similarity 1.00 of step {step} to the opening"
    plain = RelevanceSelector(embedding=embedding).select(pool, query, 3, rng)
    assert plain.reasons[plain.ids.index("00002")] != "similarity 1.00 to the opening"


def test_the_query_stands_in_the_settings_and_leaves_those_of_before():
    assert selectors.make("relevance").settings == {
        "order": "selected",
        "embedding": "auto",
        "of": "opening",
    }
    settings = selectors.make("relevance:query=step").settings
    assert (settings["of"], settings["query"]) == ("state", "step")
    assert selectors.make("relevance:query=step:of=episode").settings["of"] == "episode"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("selected", [1, 4, 3, 0]),
        ("descending", [1, 4, 3, 0]),
        ("ascending", [0, 3, 4, 1]),
    ],
)
def test_orders_by_similarity(place, order, expected):
    world = place(around(80, 10, 180, 30, -20, 91))
    selector = RelevanceSelector(embedding=world.embedding, order=order)
    found = world.choose(selector, 4)
    assert numbers(found) == expected
    assert found.reasons[expected.index(3)].startswith("similarity 0.87")


def test_shuffling_changes_the_order_alone(place):
    world = place(around(*range(0, 360, 15)))
    plain = RelevanceSelector(embedding=world.embedding)
    shuffled = RelevanceSelector(embedding=world.embedding, order="shuffled")
    orders = {tuple(numbers(world.choose(shuffled, 6, seed))) for seed in range(10)}
    assert len(orders) > 5
    assert {tuple(sorted(order)) for order in orders} == {
        tuple(sorted(numbers(world.choose(plain, 6))))
    }


def test_what_was_drawn_at_random_can_be_shown_by_similarity(place):
    world = place(around(80, 10, 180, 30, -20, 91))
    drawn = set(world.choose(RandomSelector(), 3, seed=4).ids)
    nearest_first = [1, 4, 3, 0, 5, 2]
    for order, by in (("descending", nearest_first), ("ascending", nearest_first[::-1])):
        selector = RandomSelector(order=order, embedding=world.embedding)
        found = world.choose(selector, 3, seed=4)
        assert set(found.ids) == drawn
        assert numbers(found) == [n for n in by if f"{n:05}" in drawn]
        assert found.reasons[0].startswith("drawn uniformly; similarity ")


def test_only_what_is_offered_is_chosen(place):
    world = place(around(*range(0, 360, 30)))
    out = frozenset({"00000", "00001", "00011", "00006"})
    for name in ("kmeans", "kcenter", "mmr", "facility_location"):
        selector = DiversitySelector(method=name, embedding=world.embedding)
        found = world.choose(selector, 8, pool=world.pool.without(out))
        assert not out & set(found.ids)
        assert len(set(found.ids)) == 8
    relevant = RelevanceSelector(embedding=world.embedding)
    assert numbers(world.choose(relevant, 3, pool=world.pool.without(out))) == [2, 10, 3]


@pytest.mark.parametrize("name", ALL)
def test_more_than_is_offered_cannot_be_chosen(place, name):
    world = place(around(0, 90))
    with pytest.raises(PoolError, match="3 demonstrations of gridworld were asked for; 2 are off"):
        world.choose(selectors.make(name), 3)


# Three heaps, of four, three and two points.
HEAPS = around(0, 2, -2, 4, 120, 123, 117, 240, 243)


def test_kmeans_takes_the_middle_of_each_heap_the_largest_first(place):
    world = place(HEAPS)
    for seed in range(5):
        found = world.choose(DiversitySelector(embedding=world.embedding), 3, seed)
        first, second, third = numbers(found)
        assert first in (0, 1)  # the middle is at 1 degree
        assert (second, third) == (4, 7)  # of two that are equally near, the smaller id
        assert found.reasons == tuple(f"nearest to centre {i} of 3" for i in (1, 2, 3))


def test_kmeans_of_one_takes_what_is_nearest_to_the_middle(place):
    world = place(around(40, -50, 5, 90, -80))
    assert numbers(world.choose(DiversitySelector(embedding=world.embedding), 1)) == [2]


def test_kmeans_of_fewer_different_ones_than_asked_for_takes_seconds(place):
    world = place([(1, 0), (0, 1), (1, 0), (2, 0), (0, 1)])
    found = world.choose(DiversitySelector(embedding=world.embedding), 4)
    assert numbers(found) == [0, 1, 2, 4]
    assert found.reasons == (
        *("nearest to centre 1 of 2", "nearest to centre 2 of 2"),
        *("number 2 by nearness to centre 1 of 2", "number 2 by nearness to centre 2 of 2"),
    )
    assert sorted(numbers(world.choose(DiversitySelector(embedding=world.embedding), 5))) == [
        *range(5)
    ]


def test_kmeans_of_very_many_makes_its_clusters_of_a_sample(place, monkeypatch):
    monkeypatch.setattr(clusters, "_MOST", 12)
    world = place(around(*(heap + step for heap in (0, 120, 240) for step in range(20))))
    found = numbers(world.choose(DiversitySelector(embedding=world.embedding), 3))
    assert sorted(number // 20 for number in found) == [0, 1, 2]


def test_kcenter_goes_to_the_farthest(place):
    world = place(around(0, 100, 170, 260, 10))
    selector = DiversitySelector(method="kcenter", embedding=world.embedding)
    found = {numbers(one)[0]: one for one in (world.choose(selector, 5, s) for s in range(30))}
    assert set(found) == {0, 1, 2, 3, 4}
    for expected in ([0, 2, 3, 1, 4], [1, 3, 0, 2, 4], [2, 0, 3, 1, 4]):
        assert numbers(found[expected[0]]) == expected
    assert found[0].reasons == (
        "drawn uniformly, to begin with",
        *(f"similarity {s} to the nearest before it" for s in ("-0.98", "0.00", "0.34", "0.98")),
    )


def test_mmr_weighs_similarity_against_difference(place):
    world = place(around(5, 6, 40, 90, 180))

    def chosen(weight):
        selector = DiversitySelector(method="mmr", embedding=world.embedding, lambda_=weight)
        return numbers(world.choose(selector, 3))

    assert chosen(1) == [0, 1, 2]  # relevance alone
    assert chosen(0) == [0, 4, 3]  # the first of equals, then what is least like any
    # The second gains half of 0.9945 − 0.9998, the third of 0.77 − 0.82, the fourth of 0 − 0.09,
    # and the fifth, of −1 + 0.9962, loses least.
    assert chosen(0.5) == [0, 4, 1]


def test_mmr_says_both(place):
    world = place(around(0, 60, 180))
    selector = DiversitySelector(method="mmr", embedding=world.embedding, lambda_=0.9)
    assert world.choose(selector, 2).reasons == (
        "similarity 1.00 to the opening",
        "similarity 0.50 to the opening, 0.50 to the nearest before it",
    )


def test_facility_location_stands_for_as_many_as_possible(place):
    world = place(HEAPS)
    selector = DiversitySelector(method="facility_location", embedding=world.embedding)
    found = world.choose(selector, 4)
    first, second, third, _ = numbers(found)
    assert first in range(4)
    assert (second, third) == (4, 7)
    # Four of nine are near the first, seven with the second, all with the third.
    shares = [float(reason.rpartition(" ")[2]) for reason in found.reasons]
    np.testing.assert_allclose(shares[:3], [4 / 9, 7 / 9, 1], atol=0.01)
    assert found.reasons[0].startswith("brings the pool's mean similarity to the chosen to 0.4")


def test_facility_location_is_the_plain_greedy_choice(place):
    rng = np.random.default_rng(5)
    points = rng.standard_normal((30, 3))
    world = place([tuple(point) for point in points], query=(1, 0, 0))
    selector = DiversitySelector(method="facility_location", embedding=world.embedding)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    worth = np.maximum(unit @ unit.T, 0)
    best, expected = np.zeros(30), []
    for _ in range(6):
        gains = np.maximum(worth, best).sum(axis=1)
        expected.append(int(gains.argmax()))
        best = np.maximum(best, worth[expected[-1]])
    assert numbers(world.choose(selector, 6)) == expected


def test_facility_location_of_very_many_represents_a_sample(place, monkeypatch):
    monkeypatch.setattr(facilities, "_LARGEST", 60 * 12)
    world = place(around(*(heap + step for heap in (0, 120, 240) for step in range(20))))
    selector = DiversitySelector(method="facility_location", embedding=world.embedding)
    found = numbers(world.choose(selector, 3))
    assert sorted(number // 20 for number in found) == [0, 1, 2]


@pytest.mark.parametrize("method", ["kmeans", "kcenter", "mmr", "facility_location"])
def test_diversity_of_equals_or_of_one_still_gives_different_ones(place, method):
    selector = DiversitySelector(method=method, embedding=place([(1, 2)]).embedding)
    for points in ([(1, 2)], [(1, 2)] * 7, [(0, 0)] * 4, [(0, 0), (1, 0), (0, 0), (1, 0)]):
        world = place(points)
        selector = DiversitySelector(method=method, embedding=world.embedding)
        for k in range(len(points) + 1):
            found = world.choose(selector, k)
            assert len(set(found.ids)) == len(found.reasons) == k


@pytest.mark.parametrize("method", ["kmeans", "kcenter", "mmr", "facility_location"])
def test_what_differs_can_be_shown_by_similarity(place, method):
    world = place(around(0, 50, 100, 150, 55))
    plain = DiversitySelector(method=method, embedding=world.embedding)
    sorted_ = DiversitySelector(method=method, embedding=world.embedding, order="ascending")
    chosen = world.choose(plain, 3)
    found = world.choose(sorted_, 3)
    nearest_first = [0, 1, 4, 2, 3]
    assert numbers(found) == sorted(numbers(chosen), key=nearest_first.index, reverse=True)
    assert dict(zip(found.ids, found.reasons, strict=True)) == dict(
        zip(chosen.ids, chosen.reasons, strict=True)
    )


@pytest.mark.parametrize("name", ALL)
def test_nested_selectors_begin_with_the_fewer(place, name):
    points = np.random.default_rng(3).standard_normal((40, 4))
    world = place([tuple(point) for point in points], query=(1, 0, 0, 0))
    found = selectors.find(name)
    takes_embedding = name.startswith(("relevance", "diversity")) and name not in STATES
    selector = found.make({"embedding": world.embedding} if takes_embedding else {})
    most = world.choose(selector, 40).ids
    begins = [world.choose(selector, k).ids == most[:k] for k in (0, 1, 4, 16, 39)]
    assert all(begins) == selector.nested
    expected = {"random", "relevance", "hard", "hard:by=return"}
    expected |= set(STATES)
    expected |= {name for name in ALL if name.startswith("diversity:")}
    assert selector.nested == (name in expected)


PROGRAM = """
import sys
import numpy as np
from icil.prompt_builders import Query, selectors
from icil.tasks import build_pool, make
task = make("gridworld")
pool = build_pool(task, 60)
for name in sys.argv[1:]:
    for format in ("ascii", "coords", "rgb"):
        query = Query(task=task, format=format, opening=task.openings("evaluation")[3])
        found = selectors.make(name).select(pool, query, 9, np.random.default_rng(7))
        print(name, format, found.ids, found.reasons)
"""


def test_the_choice_is_the_same_in_every_process_and_on_every_thread(tmp_path):
    outputs = []
    for number in range(2):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": str(number),
            "OPENBLAS_NUM_THREADS": str(number + 1),
            "OMP_NUM_THREADS": str(number + 1),
            "ICIL_CACHE": "off" if number else str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *ALL],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == 3 * len(ALL)


@pytest.mark.parametrize(
    "name", ["relevance", "diversity", "diversity:kcenter", "hard:by=surprise"]
)
def test_many_threads_at_once_choose_as_one(task, pool, name):
    selector = selectors.make(name)
    queries = [
        Query(task=task, format=format, opening=task.openings("evaluation")[i])
        for format in task.formats
        for i in range(6)
    ]

    def choose(query):
        out = frozenset(list(pool.by_id)[query.opening.index :: 7])
        rng = np.random.default_rng(query.opening.index)
        return selector.select(pool.without(out), query, 8, rng)

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(choose, queries * 2))
    assert together == [choose(query) for query in queries] * 2


@pytest.mark.parametrize("bad", [(float("nan"), 0), (float("inf"), 0), (1e300, 0)])
def test_a_vector_that_is_no_number_is_refused(place, bad):
    world = place([(1, 0), bad])
    with pytest.raises(UsageError, match="points gave NaN or infinite numbers for gridworld coord"):
        world.choose(RelevanceSelector(embedding=world.embedding), 1)


def test_vectors_of_different_sizes_are_refused(place):
    world = place([(1, 0), (1, 0, 0)])
    with pytest.raises(UsageError, match="vectors of 2 and 3 numbers; all need the same size"):
        world.choose(RelevanceSelector(embedding=world.embedding), 1)
    world = place([(1, 0), (0, 1)], query=(1, 0, 0))
    with pytest.raises(UsageError, match="a vector of 3 numbers for an opening, and of 2 for tho"):
        world.choose(RelevanceSelector(embedding=world.embedding), 1)


@pytest.mark.parametrize(
    "name", ["relevance", "diversity:mmr", "random:order=ascending", "relevance:of=episode"]
)
def test_what_cannot_be_embedded_is_told_when_a_run_is_planned(task, pool, name):
    selectors.make(name).check(task, "rgb", pool)
    with pytest.raises(UsageError, match="tic_tac_toe rgb: the embedding 'state' needs observ"):
        selectors.make(f"{name}:embedding=state").check(task, "rgb", pool)
    selectors.make("random:embedding=state").check(task, "rgb", pool)  # is not asked
