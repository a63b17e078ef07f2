"""Demonstration sets that episodes share: the same prompt prefix, played back to back."""

import json

import pytest

from icil.harness import Experiment
from icil.harness.planning.plan import make_plan
from icil.harness.testing import FakeModel
from icil.results import open_run
from icil.tasks import PoolError

FIELDS = {"task": ("tic_tac_toe",), "format": ("ascii",), "demos": (4,), "episodes": 12}


def shown(folder):
    store = open_run(folder)
    rows = store.rows(
        "SELECT e.opening, e.demonstrations, e.prefix, e.left_out FROM episodes e "
        "JOIN cells c ON c.id = e.cell WHERE c.agent = 'fake' ORDER BY e.opening"
    )[1]
    store.close()
    return {opening: (json.loads(ids), prefix, left) for opening, ids, prefix, left in rows}


@pytest.mark.parametrize("sets", [1, 3, 12, 50])
def test_so_many_prefixes_are_sent(play, sets):
    summary = play(agents={"fake": FakeModel("b2")}, demo_sets=sets, **FIELDS)
    found = shown(summary.folder)
    assert len({prefix for _, prefix, _ in found.values()}) == min(sets, 12)
    for opening, (ids, prefix, _) in found.items():
        assert (ids, prefix) == found[opening % sets][:2]


def test_no_episode_of_a_set_is_shown_its_opening(play):
    plan = make_plan(Experiment(agent=("nearest",), demo_sets=2, **FIELDS))
    task = plan.tasks["tic_tac_toe"]
    hiding = dict(zip((o.index for o in task.openings), task.hidden, strict=True))
    summary = play(agents={"fake": FakeModel("b2")}, demo_sets=2, **FIELDS)
    for opening, (ids, _, left) in shown(summary.folder).items():
        members = [n for n in hiding if n % 2 == opening % 2]
        hidden = frozenset().union(*(hiding[n] for n in members))
        assert not hidden & set(ids)
        assert left == len(hidden) >= len(hiding[opening])


def test_episodes_of_a_set_follow_each_other():
    plan = make_plan(Experiment(agent=("nearest",), demo_sets=3, **FIELDS))
    (cell,) = [c for c in plan.cells if c.record.agent == "nearest"]
    starts = list(plan.starts(cell))
    assert [start.set for start in starts] == [0] * 4 + [1] * 4 + [2] * 4
    assert sorted(start.number for start in starts) == list(range(12))


def test_sets_are_nested_and_decided_by_the_seed(play):
    def first(name, **given):
        fields = {**FIELDS, "demo_sets": 1, **given}
        return shown(play(name, agents={"fake": FakeModel("b2")}, **fields).folder)[0][0]

    four, eight = first("four"), first("eight", demos=(8,))
    assert eight[:4] == four
    assert first("again") == four
    assert first("other", seed=1) != four


def test_without_demonstrations_there_are_no_sets(play):
    def rows(name, **given):
        fields = {**FIELDS, "demos": (0,), **given}
        plan = make_plan(Experiment(agent=("nearest",), **fields))
        return [cell.record.hash for cell in plan.cells]

    assert rows("a") == rows("b", demo_sets=1)


def test_a_set_that_cannot_be_filled_is_refused_before_anything_is_made():
    fields = {**FIELDS, "episodes": 500, "demos": (1000,), "demo_sets": 1}
    with pytest.raises(PoolError, match=r"of which .* never show an evaluated opening"):
        make_plan(Experiment(agent=("nearest",), **fields))
