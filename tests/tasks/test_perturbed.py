"""The perturbed expert: how often it is perturbed, and that it plays the same everywhere."""

from contextlib import closing
from itertools import pairwise

import pytest

from icil.tasks import PoolError, UnknownNameError, UsageError, build_pool_in, demonstrate, make
from icil.tasks.adviser import Adviser
from icil.tasks.building import play_openings
from icil.tasks.demonstrations import replay
from icil.tasks.openings import take
from icil.tasks.players import NOISE, make_player, read_noise


@pytest.fixture(scope="module")
def gridworld():
    return make("gridworld")


def played(task, player, count, first=0):
    openings = take(task.openings("demonstration"), count, first)
    return [demonstrate(task, opening, f"{opening.index:05d}", player) for opening in openings]


def departures(task, demonstration):
    """The steps that the expert would not have taken, and the chance of each to be one if drawn."""
    left, chances = [], []
    with closing(Adviser(task, demonstration.opening)) as adviser:
        for number, (env, action) in enumerate(replay(task, demonstration)):
            good = adviser.choices(env, number, action)
            left.append(action not in good)
            chances.append(1 - len(good) / len(task.legal_actions(env)))
    return left, chances


def test_without_noise_it_plays_the_experts_own_episodes(gridworld):
    assert played(gridworld, "perturbed:noise=0", 40) == played(gridworld, "expert", 40)


@pytest.mark.parametrize("noise", [0.1, 0.25, 0.6, 1])
def test_it_is_perturbed_as_often_as_it_is_told(gridworld, noise):
    found = [
        departures(gridworld, one) for one in played(gridworld, f"perturbed:noise={noise}", 300)
    ]
    chances = [noise * chance for _, all_chances in found for chance in all_chances]
    expected, spread = sum(chances), sum(p * (1 - p) for p in chances) ** 0.5
    assert abs(sum(map(sum, (left for left, _ in found))) - expected) < 3.5 * spread


def test_more_noise_draws_at_the_same_steps_and_at_others(gridworld):
    firsts = []
    for noise in (0.1, 0.4, 1):
        episodes = [
            departures(gridworld, d)[0] for d in played(gridworld, f"perturbed:noise={noise}", 80)
        ]
        firsts.append([left.index(True) if True in left else 99 for left in episodes])
    for less, more in pairwise(firsts):
        assert all(b <= a for a, b in zip(less, more, strict=True))
        assert less != more


def test_processes_and_places_change_nothing(tmp_path, gridworld):
    pool = build_pool_in(
        tmp_path / "pool", "gridworld", 12, player="perturbed:noise=0.5", first=7, workers=2
    )
    assert list(pool.demonstrations) == played(gridworld, "perturbed:noise=0.5", 12, first=7)
    assert [one.id for one in pool.demonstrations] == [f"{n:05d}" for n in range(7, 19)]
    assert pool.card.expert == "perturbed"
    assert pool.card.expert_settings == {
        "noise": 0.5,
        "expert": "shortest_path",
        "expert_settings": {},
    }
    steps = sum(1 for one in pool.demonstrations for _ in replay(gridworld, one))
    assert steps == sum(len(one.steps) for one in pool.demonstrations)


def journal_of(folder, episodes, player="perturbed", **options):
    done = []
    found = play_openings(
        folder / "journal",
        "gridworld",
        episodes,
        player=player,
        first=1000,
        progress=lambda: done.append(0),
        **options,
    )
    assert len(done) == episodes
    return found


def test_a_journal_stays_and_takes_more_episodes(tmp_path, gridworld, monkeypatch):
    few = journal_of(tmp_path, 6)
    lines = (tmp_path / "journal").read_bytes()
    more = journal_of(tmp_path, 10)
    assert more[:6] == few
    assert (tmp_path / "journal").read_bytes().startswith(lines)
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
    from icil.tasks import building

    monkeypatch.setattr(building, "demonstrate", lambda *given: 1 / 0)
    assert journal_of(tmp_path, 10) == more
    assert journal_of(tmp_path, 4) == more[:4]


def test_a_journal_of_another_noise_is_left_alone(tmp_path):
    journal_of(tmp_path, 2)
    before = (tmp_path / "journal").read_bytes()
    with pytest.raises(PoolError, match="remains of another build"):
        journal_of(tmp_path, 2, player="perturbed:noise=0.3")
    assert (tmp_path / "journal").read_bytes() == before


def test_names_of_players_are_read():
    assert read_noise("perturbed") == NOISE
    assert read_noise("perturbed:noise=1") == 1
    with pytest.raises(UnknownNameError, match="unknown player 'expret'; did you mean 'expert'"):
        make_player(make("gridworld"), "expret")


@pytest.mark.parametrize(
    "name", ["perturbed:noise=1.1", "perturbed:noise=-1", "perturbed:noise=nan", "perturbed:noise"]
)
def test_a_noise_that_is_no_probability_is_refused(name):
    with pytest.raises(UsageError, match="expected a noise from 0 to 1"):
        read_noise(name)


@pytest.mark.parametrize("name", ["perturbed:0.5", "perturbed:noise=0.5:noise=0.5"])
def test_other_options_are_refused(name):
    with pytest.raises(UsageError, match="expected perturbed or perturbed:noise=P"):
        read_noise(name)
