"""Sweeps: which cells an experiment has, over the same openings, with nested demonstrations."""

from collections import Counter
from itertools import combinations

import pytest

from icil.harness import Experiment, FakeModel
from icil.harness.estimates.usage_history import played
from icil.harness.planning.plan import make_plan
from icil.tasks import ExperimentError

FIELDS = {"task": ("tic_tac_toe",), "format": ("ascii",), "demos": (0, 2), "episodes": 3}
SWITCHES = ("legal_actions", "reasoning", "past_actions")


def records(agent="fake", **fields):
    own = {"fake": FakeModel("a1")} if agent == "fake" else None
    plan = make_plan(Experiment(**{**FIELDS, "agent": (agent,), **fields}), own)
    return [cell.record for cell in plan.cells if cell.record.agent == agent]


@pytest.mark.parametrize("name", SWITCHES)
def test_an_option_of_two_values_makes_the_cells_of_both(name):
    alone = [{r.hash for r in records(**{name: value})} for value in (False, True)]
    both = {r.hash: r.options[name] for r in records(**{name: (True, False)})}
    assert both.keys() == alone[0] | alone[1]
    assert not alone[0] & alone[1]
    assert all(both[cell] is value for value in (False, True) for cell in alone[value])


def test_options_cross(tmp_path):
    swept = dict.fromkeys(SWITCHES, (False, True))
    found = records(**swept, layout=("single", "chat"))
    assert len(found) == 2**4 * 2
    names = (*SWITCHES, "layout")
    told = Counter(tuple(r.options[name] for name in names) for r in found)
    assert len(told) == 2**4
    assert set(told.values()) == {2}


@pytest.mark.parametrize(
    ("agent", "cells"), [("nearest", 2 * 2), ("replay", 2), ("random", 1), ("expert", 1)]
)
def test_what_an_agent_does_not_heed_makes_no_second_cell(agent, cells):
    swept = dict.fromkeys(SWITCHES, (False, True))
    found = records(agent, **swept, layout=("single", "chat"))
    assert len(found) == cells
    alone = records(agent, legal_actions=False)
    assert {r.hash for r in alone} <= {r.hash for r in found}


def test_without_demonstrations_there_are_no_sets_to_sweep_over():
    found = records(demo_sets=(None, 1, 3), demos=(0, 2))
    assert [(r.demonstrations, r.options.get("demo_sets")) for r in found] == [
        (0, None),
        (2, None),
        (2, [1, 3]),
        (2, [3, 3]),
    ]


def test_what_replies_take_is_known_from_cells_with_other_sets():
    (_, own), (_, shared) = (records(demo_sets=sets) for sets in (None, 2))
    told = [played(r.task, r.format, r.options, {}, r.demonstrations) for r in (own, shared)]
    assert own.options != shared.options
    assert told[0] == told[1]


def test_the_order_of_values_makes_no_difference():
    one = Experiment(legal_actions=(True, False), layout=("chat", "single"), demo_sets=(3, None))
    other = Experiment(legal_actions=[False, True], layout="single,chat", demo_sets="own,3")
    assert one == other
    assert one.each("layout") == ("single", "chat")
    assert Experiment(legal_actions=[True]) == Experiment(legal_actions=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("legal_actions", (True, 1.5)),
        ("reasoning", ()),
        ("layout", "single,triple"),
        ("demo_sets", (0, 2)),
        ("demo_sets", ([2],)),
        ("demo_sets", (True,)),
    ],
)
def test_a_value_among_several_that_there_is_not_is_refused(name, value):
    from icil.harness import load_experiment

    with pytest.raises(ExperimentError, match=f"option --{name.replace('_', '-')}: expected "):
        load_experiment(None, {name: value})


def test_all_agents_and_formats_see_nested_demonstrations_of_the_same_openings(play, contents):
    fields = {"format": ("ascii", "rgb"), "demos": (0, 1, 4, 16), "episodes": 5}
    agents = {"fake": FakeModel("b2"), "other": FakeModel("a1")}
    first = play("run", agents=agents, **{**fields, "demos": (4,)})
    shown = {e["opening"]: e["demonstrations"] for e in contents(first.folder).of(agent="fake")}
    whole = play("run", agents=agents, agent=("fake", "other", "nearest"), **fields)
    held = contents(whole.folder)
    cells = {(e["agent"], e["format"], e["count"]) for e in held.episodes if e["format"]}
    assert len(cells) == 3 * 2 * 4
    for agent, format, count in cells:
        episodes = held.of(agent=agent, format=format, count=count)
        assert [e["opening"] for e in episodes] == list(range(5))
        for episode in episodes:
            (largest,) = held.of(agent="fake", format="ascii", count=16, opening=episode["opening"])
            assert episode["demonstrations"] == largest["demonstrations"][:count]
    assert all(
        held.of(agent="fake", format="ascii", count=4, opening=n)[0]["demonstrations"] == ids
        for n, ids in shown.items()
    )
    assert all(one != other for one, other in combinations(shown.values(), 2))
