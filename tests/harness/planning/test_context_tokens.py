"""Context budgets: filled with as many demonstrations as fit, the episode's own steps reserved."""

import json

import pytest

from icil.harness import Experiment
from icil.harness.planning.experiment import load_experiment
from icil.harness.planning.plan import make_plan
from icil.harness.testing import FakeModel
from icil.prompt_builders import selectors
from icil.prompt_builders.selectors import Selection
from icil.results import open_run
from icil.tasks import ExperimentError

FIELDS = {"task": ("gridworld",), "format": ("coords",), "episodes": 6, "demos": (0,)}


def episodes(folder, agent="fake"):
    store = open_run(folder)
    columns, rows = store.rows(
        "SELECT c.context_tokens AS budget, e.opening, e.status, e.demonstrations, "
        "MAX(s.input_tokens) AS longest FROM episodes e JOIN cells c ON c.id = e.cell "
        f"JOIN steps s ON s.episode = e.id WHERE c.agent = '{agent}' AND budget IS NOT NULL "
        "GROUP BY e.id ORDER BY 1, 2"
    )
    store.close()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def test_the_budget_is_kept_and_used(play):
    model = FakeModel("nothing of the kind", context_tokens=10**6)
    summary = play(agents={"fake": model}, context_tokens=(4000, 16_000), **FIELDS)
    found = episodes(summary.folder)
    assert {e["budget"] for e in found} == {4000, 16_000}
    for episode in found:
        assert episode["status"] == "done"
        assert episode["longest"] <= episode["budget"]
    counts = {
        b: [len(json.loads(e["demonstrations"])) for e in found if e["budget"] == b]
        for b in (4000, 16_000)
    }
    assert min(counts[16_000]) > 3 * max(counts[4000]) > 0
    # One more would not have fitted: the room left is less than the longest demonstration.
    assert all(e["longest"] > 0.97 * e["budget"] for e in found if e["budget"] == 16_000)


def test_it_is_nested(play):
    model = FakeModel("up")
    summary = play(agents={"fake": model}, context_tokens=(4000, 16_000), **FIELDS)
    shown = {
        (e["budget"], e["opening"]): json.loads(e["demonstrations"])
        for e in episodes(summary.folder)
    }
    for opening in range(6):
        few, many = shown[4000, opening], shown[16_000, opening]
        assert many[: len(few)] == few


def test_a_selector_that_is_not_nested_fits_as_well(play, monkeypatch):
    class Backwards(selectors.Selector):
        """The first k of the pool, last first."""

        def select(self, pool, query, k, rng):
            chosen = tuple(reversed(pool.demonstrations[:k]))
            return Selection(demonstrations=chosen, reasons=("",) * k)

    monkeypatch.setitem(selectors._REGISTRY._factories, "backwards", Backwards)
    fields = {**FIELDS, "selector": ("backwards",)}
    summary = play(agents={"fake": FakeModel("up")}, context_tokens=(6000,), **fields)
    for episode in episodes(summary.folder):
        ids = json.loads(episode["demonstrations"])
        assert ids == sorted(ids, reverse=True)
        assert len(ids) > 3
        assert episode["longest"] <= 6000


def test_an_agent_without_tokens_gets_about_as_many(play):
    summary = play(agent=("nearest",), context_tokens=(8000,), **FIELDS)
    counts = [len(json.loads(e["demonstrations"])) for e in episodes(summary.folder, "nearest")]
    assert min(counts) > 5
    row = next(r for r in summary.leaderboard.rows if r.context_tokens)
    assert (row.context_tokens, row.demonstrations) == (8000, round(sum(counts) / len(counts)))


def test_a_budget_smaller_than_an_episode_shows_none(play):
    summary = play(agents={"fake": FakeModel("up")}, context_tokens=(100,), **FIELDS)
    assert {e["demonstrations"] for e in episodes(summary.folder)} == {"[]"}


def test_with_a_budget_and_no_numbers_no_numbers_are_played():
    plan = make_plan(
        Experiment(
            task=("gridworld",),
            format=("coords",),
            agent=("nearest",),
            context_tokens=(8000,),
            episodes=2,
        )
    )
    asked = [c.record for c in plan.cells if c.record.asked]
    assert [(r.demonstrations, r.context_tokens) for r in asked] == [(0, None), (0, 8000)]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("8k,32K,1m", (8000, 32_000, 1_000_000)),
        ("500", (500,)),
        ("8k,8000", (8000,)),
    ],
)
def test_budgets_are_written_short(text, counts):
    assert tuple(dict.fromkeys(load_experiment(None, {"context_tokens": text}).context_tokens)) == (
        counts
    )


@pytest.mark.parametrize("text", ["0", "8kk", "-3", "many", "1.5k"])
def test_wrong_budgets_are_refused(text):
    with pytest.raises(ExperimentError, match=r"--context-tokens.*numbers of tokens, such as"):
        load_experiment(None, {"context_tokens": text})
