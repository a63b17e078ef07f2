"""Openings of a state space small enough to list."""

import pytest

from icil.tasks import EnumeratedOpenings, Opening, OpeningsError, OpeningSource
from icil.tasks.openings import take
from icil.tasks.seeding import seed

STATES = [{"place": number} for number in range(11)]


def split(name, task="toy", version=1, states=STATES):
    return EnumeratedOpenings(task, version, name, states)


def places(source, count):
    return [opening.state["place"] for opening in take(source, count)]


def test_the_splits_share_nothing_and_leave_nothing_out():
    evaluation, demonstration = split("evaluation"), split("demonstration")
    assert (evaluation.distinct, demonstration.distinct) == (5, 6)
    assert sorted(places(evaluation, 5) + places(demonstration, 6)) == list(range(11))
    assert isinstance(evaluation, OpeningSource)


def test_the_order_is_a_function_of_task_and_version():
    states = [{"place": number} for number in range(100)]
    orders = [
        tuple(places(split("evaluation", *identity, states), 50))
        for identity in (("toy", 1), ("toy", 1), ("toy", 2), ("yot", 1))
    ]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3
    assert orders[0] != tuple(sorted(orders[0]))


def test_an_opening_knows_its_place():
    opening = split("demonstration")[3]
    assert isinstance(opening, Opening)
    assert (opening.split, opening.index) == ("demonstration", 3)
    assert opening == split("demonstration")[3]


def test_demonstrations_start_over_with_new_chances():
    source = split("demonstration")
    assert places(source, 18) == places(source, 6) * 3
    assert len({opening.state["chance_seed"] for opening in take(source, 18)}) == 18
    assert source[7].state["chance_seed"] == seed("chance", "toy", 1, "demonstration", 7)


def test_the_chances_of_the_splits_differ():
    chances = {split(name)[2].state["chance_seed"] for name in ("demonstration", "evaluation")}
    assert len(chances) == 2


@pytest.mark.parametrize("index", [5, 6, 500, -1])
def test_evaluation_openings_do_not_start_over(index):
    with pytest.raises(OpeningsError, match=rf"^toy has 5 evaluation openings; number {index} "):
        split("evaluation")[index]


def test_there_is_no_demonstration_before_the_first():
    with pytest.raises(OpeningsError):
        split("demonstration")[-1]


def test_the_states_given_are_left_as_they_are():
    states = [{"place": number} for number in range(4)]
    split("demonstration", states=states)[0].state["place"] = 9
    assert states == [{"place": number} for number in range(4)]
