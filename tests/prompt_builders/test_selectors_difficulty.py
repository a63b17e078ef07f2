"""Selectors by difficulty: easy to hard, and the hardest alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from icil.prompt_builders import Query, selectors
from icil.prompt_builders.embeddings.index import Scale
from icil.prompt_builders.selectors.curriculum import CurriculumSelector, HardSelector
from icil.prompt_builders.selectors.difficulty import Difficulty
from icil.prompt_builders.selectors.score_files import file_of, with_file
from icil.prompt_builders.selectors.surprise import States, frequencies, neighbour_shares
from icil.tasks import ContractError, Opening, PoolError, UsageError, build_pool, make
from icil.tasks.demonstrations import demonstrate
from icil.tasks.pools import make_pool

DISTANCES = (7, 2, 9, 4, 9, 1)
"""Of the demonstrations' players from their targets, in steps."""


@pytest.fixture(scope="module")
def gridworld():
    return make("gridworld")


@pytest.fixture(scope="module")
def walks(gridworld):
    """A pool of walks of those lengths, along the top wall."""

    def opening(number):
        state = {"player": [1, 1], "target": [1, 1 + DISTANCES[number]], "chance_seed": 0}
        return Opening(split="demonstration", index=number, state=state)

    return make_pool(
        gridworld,
        [demonstrate(gridworld, opening(i), f"{i:05}") for i in range(len(DISTANCES))],
    )


@pytest.fixture
def choose(gridworld, walks):
    def choose(selector, k, seed=0, pool=walks, format="coords", task=gridworld):
        query = Query(task=task, format=format, opening=task.openings("evaluation")[0])
        made = selectors.make(selector) if isinstance(selector, str) else selector
        return made.select(pool, query, k, np.random.default_rng(seed))

    return choose


def numbers(selection):
    return [int(id) for id in selection.ids]


def test_the_hardest_come_first_and_equals_by_their_ids(choose):
    found = choose("hard", 4)
    assert numbers(found) == [2, 4, 0, 3]
    assert found.reasons == tuple(f"among the hardest: {n} steps" for n in (9, 9, 7, 4))
    assert numbers(choose("hard:order=ascending", 4)) == [3, 0, 2, 4]
    assert numbers(choose("hard", 4, seed=8)) == [2, 4, 0, 3]
    assert choose("hard", 6).reasons[-1] == "among the hardest: 1 step"


def test_a_curriculum_is_a_draw_from_easy_to_hard(choose):
    drawn = set()
    for seed in range(20):
        found = choose("curriculum", 3, seed)
        steps = [DISTANCES[number] for number in numbers(found)]
        assert steps == sorted(steps)
        assert found.reasons[0] == f"drawn uniformly; {steps[0]} step{'s' * (steps[0] > 1)}"
        assert set(found.ids) < set(choose("curriculum", 5, seed).ids)
        assert set(found.ids) == set(choose("random", 3, seed).ids)
        drawn.add(tuple(found.ids))
    assert len(drawn) > 5
    assert numbers(choose("curriculum", 6)) == [5, 1, 3, 0, 2, 4]
    assert numbers(choose("curriculum:order=descending", 6)) == [2, 4, 0, 3, 1, 5]


def test_where_all_are_equally_hard_the_reason_says_so(choose):
    found = choose("hard:by=return", 3)
    assert numbers(found) == [0, 1, 2]
    assert found.reasons[0] == "among the hardest: a return at the pool's mean, as all have"


def test_the_less_the_expert_earned_the_harder(choose, task, pool):
    found = choose("hard:by=return", 40, task=task, pool=pool, format="ascii")
    returns = [one.total for one in found.demonstrations]
    assert returns == sorted(returns)
    assert len(set(returns)) > 1
    mean = pool.card.return_mean
    assert found.reasons[0] == (
        f"among the hardest: a return {mean - returns[0]:.3g} below the pool's mean"
    )
    assert found.reasons[-1].endswith("above the pool's mean")


@pytest.fixture
def scores(tmp_path):
    def scores(content, name="scores.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return scores


def test_scores_may_come_from_a_file(choose, scores, walks):
    given = dict(zip(walks.by_id, (3, 1.5, -2, 5, 4, 1), strict=True))
    path = scores(given | {"another": 9})
    found = choose(f"hard:by={path}", 3)
    assert numbers(found) == [3, 4, 0]
    assert found.reasons[0] == "among the hardest: 5"
    assert numbers(choose(f"curriculum:by={path}", 6)) == [2, 5, 1, 0, 4, 3]


def test_the_content_of_the_file_is_in_the_settings_and_not_where_it_is(scores):
    one = selectors.make(f"hard:by={scores({'a': 1})}").settings
    assert one == selectors.make(f"hard:by={scores({'a': 1}, 'elsewhere.json')}").settings
    assert one != selectors.make(f"hard:by={scores({'a': 2})}").settings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read: Expecting"),
        ("[1, 2]", 'expected a JSON object of ids and finite numbers, such as {"00000": 3.5}'),
        ('{"00000": "hard"}', 'the score of 00000 is "hard"; expected a JSON object of ids and'),
        ('{"00000": 1, "00001": true}', "the score of 00001 is true; expected"),
        ('{"00000": NaN}', "the score of 00000 is NaN; expected"),
        ('{"00000": 1e999}', "the score of 00000 is Infinity; expected"),
        ('{"pool": 7, "scores": {"00000": 1}}', "does not hold scores"),
        ('{"pool": "ab", "scores": {"00000": null}}', "the score of 00000 is null; expected"),
    ],
)
def test_a_file_that_holds_no_scores_is_refused(scores, content, message):
    with pytest.raises(UsageError) as error:
        selectors.make(f"hard:by={scores(content)}")
    assert message in str(error.value)
    assert "scores.json" in str(error.value)


def test_a_file_that_is_missing_or_lacks_a_demonstration_is_refused(choose, scores, tmp_path):
    with pytest.raises(UsageError, match=r"nothing\.json cannot be read: .*No such file"):
        selectors.make(f"hard:by={tmp_path / 'nothing.json'}")
    path = scores({"00000": 1})
    said = r"scores\.json has no score for demonstration 00001 of gridworld and 4 others; it has 1"
    with pytest.raises(PoolError, match=said):
        choose(f"hard:by={path}", 1)


def test_scores_of_a_pool_are_not_taken_for_those_of_another(choose, scores, gridworld, walks):
    given = {
        "pool": walks.hash,
        "agent": "m",
        "scores": dict.fromkeys(walks.by_id, 1) | {"00002": 5},
    }
    selector = selectors.make(f"hard:by={scores(given)}")
    selector.check(gridworld, "coords", walks)
    # Those that may not be shown are left out of what it chooses from.
    part = walks.without(frozenset({"00000"}))
    assert numbers(choose(selector, 2, pool=part)) == [2, 1]
    other = selectors.make(f"hard:by={scores(given | {'pool': 'f00d' * 16}, 'other.json')}")
    with pytest.raises(
        PoolError, match=r"other\.json holds the scores of another pool \(f00df00d…"
    ):
        other.check(gridworld, "coords", walks)


@pytest.mark.parametrize(
    ("name", "path", "instead"),
    [
        ("hard:by=a.json", "a.json", "hard:by=x/b.json"),
        ("hard:by=../a.json:order=ascending", "../a.json", "hard:by=x/b.json:order=ascending"),
        ("curriculum:by=my/scores+noise=0.5", "my/scores", "curriculum:by=x/b.json+noise=0.5"),
        ("hard:by=C:a.json", "C:a.json", "hard:by=x/b.json"),
    ],
)
def test_the_file_in_a_name_can_be_another(name, path, instead):
    assert file_of(name) == Path(path)
    assert with_file(name, Path("x/b.json")) == instead


@pytest.mark.parametrize(
    "name", ["hard", "random", "hard:by=return", "hard:by=lenght", "random:by=a.json", "+noise=0.5"]
)
def test_names_without_a_file_have_none(name):
    assert file_of(name) is None


class Own(Difficulty):
    @property
    def settings(self):
        return {"by": "my own"}

    def __init__(self, *scores):
        self._scores = scores

    def scores(self, pool, query):
        return np.array(self._scores)

    def describe(self, score):
        return f"own score {score:g}"


def test_a_difficulty_of_ones_own(choose):
    selector = HardSelector(by=Own(0, 1, 2, 5, 4, 3))
    assert numbers(choose(selector, 2)) == [3, 4]
    assert choose(selector, 1).reasons == ("among the hardest: own score 5",)
    assert selector.settings == {"order": "selected", "by": "my own"}
    for wrong in ((1, 2), (1, 2, 3, 4, 5, float("nan"))):
        with pytest.raises(
            ContractError, match="difficulty Own gave no finite score for each of 6"
        ):
            choose(CurriculumSelector(by=Own(*wrong)), 2)


def states(vectors, actions, episodes):
    raw = np.array(vectors, np.float32)
    width = raw.shape[1]
    return States(
        Scale(np.zeros(width), np.ones(width)).apply(raw), np.array(actions), np.array(episodes)
    )


def test_an_action_is_as_frequent_as_the_other_episodes_make_it():
    seen = states([[1, 0]] * 6, [0, 0, 1, 1, 1, 2], [0, 0, 0, 1, 1, 2])
    # Of three others one is action 1 …; a third of one is added to each action.
    third = 1 / 3
    expected = [(0 + third) / 4, (0 + third) / 4, (2 + third) / 4]
    expected += [(1 + third) / 5, (1 + third) / 5, (0 + third) / 6]
    np.testing.assert_allclose(frequencies(seen), expected)


def test_neighbours_are_of_other_episodes_and_ties_share_alike():
    east, north = [1, 0], [0, 1]
    seen = states(
        [east] + [east] * 7 + [north] * 4,
        [0, *[0, 0, 0, 1, 1, 1, 1], *[0, 0, 1, 1]],
        range(12),
    )
    # The first has seven equals, three of which did the same, and one of four at a right angle,
    # half of which did.
    assert neighbour_shares(seen)[0] == pytest.approx((3 + 0.5) / 8)
    alone = states([east, north, east], [0, 0, 0], [0, 0, 0])
    np.testing.assert_array_equal(neighbour_shares(alone), [0, 0, 0])
    few = states([east, north, east], [0, 1, 0], [0, 0, 1])
    np.testing.assert_array_equal(neighbour_shares(few), [1, 0, 0.5])


def test_the_odd_one_out_is_the_most_surprising(gridworld, choose):
    """Of walks along the wall one comes back from the far end."""

    def opening(number, start, end):
        state = {"player": [5, start], "target": [5, end], "chance_seed": 0}
        return Opening(split="demonstration", index=number, state=state)

    there = [demonstrate(gridworld, opening(i, 1 + i % 3, 9), f"{i:05}") for i in range(12)]
    back = demonstrate(gridworld, opening(12, 8, 1), "00012")
    pool = make_pool(gridworld, [*there, back])
    for format in gridworld.formats:
        found = choose("hard:by=surprise", 13, pool=pool, format=format)
        assert found.ids[0] == "00012"
        bits = [float(reason.split()[3]) for reason in found.reasons]
        assert bits == sorted(bits, reverse=True)
        assert bits[0] > 2 > 1 > bits[1] > 0
        assert found.reasons[0].endswith(" bits of surprise an action")


def balance(env):
    """A balancing act that never does the same again."""
    cosine, sine, speed = env.observation
    return [float(-sine - 0.1 * speed * cosine)]


def test_surprise_needs_actions_that_occur_again(choose):
    name = f"{balance.__module__}:balance"
    pendulum = make("gym:Pendulum-v1", {"expert": name, "horizon": 5})
    pool = build_pool(pendulum, 3)
    with pytest.raises(PoolError, match=r"cannot be measured: 15 of the pool's 15 occur once"):
        choose("hard:by=surprise", 1, task=pendulum, pool=pool, format="proprio")


def test_what_cannot_be_scored_is_told_when_a_run_is_planned(gridworld, walks, scores):
    for name in ("hard", "curriculum:by=return", "hard:by=surprise"):
        selectors.make(name).check(gridworld, "coords", walks)
    with pytest.raises(PoolError, match="has no score for demonstration 00001 of gridworld"):
        selectors.make(f"hard:by={scores({'00000': 1})}").check(gridworld, "coords", walks)
    with pytest.raises(UsageError, match="gridworld coords: the embedding 'pixels' compares ima"):
        selectors.make("hard:by=surprise:embedding=pixels").check(gridworld, "coords", walks)
