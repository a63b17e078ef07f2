"""Plans whose selectors extend a pool, and plans of other openings than those for evaluation."""

from contextlib import closing

import pytest

from icil.harness import Experiment, run
from icil.harness.planning.plan import make_plan
from icil.harness.planning.selecting import choose
from icil.harness.planning.starts import OpeningRange
from icil.prompt_builders.cache import VARIABLE
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks import UsageError, load_pool_for, make
from icil.tasks.demonstrations import state_digest

SYNTHETIC = "synthetic:n=40:noise=0.5"


def plan_of(**fields):
    fields = {
        "task": ("gridworld",),
        "format": ("coords",),
        "agent": ("nearest",),
        "selector": ("random", SYNTHETIC),
        "demos": (4,),
        "episodes": 8,
        **fields,
    }
    return make_plan(Experiment(**fields))


def cell_of(plan, selector):
    return next(cell for cell in plan.cells if cell.record.selector == selector)


def is_synthetic(id):
    return id.startswith("s")


def test_a_selector_that_extends_the_pool_has_cells_with_a_pool_of_their_own():
    plan = plan_of()
    real, wide = (cell_of(plan, name).task.pool for name in ("random", SYNTHETIC))
    assert real == load_pool_for(make("gridworld"))
    assert wide.demonstrations[:1000] == real.demonstrations
    assert wide.card.synthesis.kept == len(wide.demonstrations) - 1000 > 0
    assert plan.fields["pool"] == {"gridworld": real.hash, f"gridworld {SYNTHETIC}": wide.hash}
    assert plan.tasks["gridworld"].pool is real
    assert plan.hash == plan_of().hash
    alone = plan_of(selector=("random",))
    assert cell_of(alone, "random").record == cell_of(plan, "random").record
    assert alone.fields["pool"].keys() == {"gridworld"}


def test_synthetic_demonstrations_that_show_an_opening_are_not_shown_for_it():
    plan = plan_of(selector=("synthetic:n=400:noise=0.6:add=no",), demos=(64,), episodes=300)
    cell = plan.cells[-1]
    task, pool = cell.task.task, cell.task.pool
    env, hidden, shown = task.make_env(), 0, 0
    for start in plan.starts(cell):
        task.reset(env, start.opening)
        passing = {d.id for d in pool.demonstrations if state_digest(task, env) in d.states}
        assert start.hidden == passing
        hidden += len(passing)
        choice = choose(cell, start, seed=0)
        assert not passing & set(choice.selection.ids)
        assert choice.left_out == len(passing)
        shown += sum(map(is_synthetic, choice.selection.ids))
    assert hidden > 20
    assert shown == 64 * 300


def test_nearest_plays_with_synthetic_demonstrations(tmp_path, contents):
    experiment = Experiment(
        task=("gridworld",),
        format=("coords",),
        agent=("nearest",),
        selector=(SYNTHETIC,),
        demos=(16,),
        episodes=12,
    )
    summary = run(experiment, tmp_path / "run")
    (row,) = (row for row in summary.leaderboard.rows if row.agent == "nearest")
    assert (row.selector, row.episodes, row.errors) == (SYNTHETIC, 12, 0)
    shown = [
        id for e in contents(tmp_path / "run").of(agent="nearest") for id in e["demonstrations"]
    ]
    assert 0 < sum(map(is_synthetic, shown)) < len(shown)
    again = run(experiment, tmp_path / "run")
    assert again.leaderboard.to_csv() == summary.leaderboard.to_csv()


def test_another_extension_is_played_beside_the_first(tmp_path):
    def play(selector):
        experiment = Experiment(
            task=("tic_tac_toe",),
            format=("ascii",),
            agent=("nearest",),
            selector=(selector,),
            demos=(2,),
            episodes=2,
        )
        return run(experiment, tmp_path / "run")

    assert play("synthetic:n=30").errors == 0
    assert play("synthetic:n=31").errors == 0
    with closing(RunStore(tmp_path / "run" / FILE_NAME, readonly=True)) as store:
        cells = dict(store.rows("SELECT hash, selector FROM cells WHERE selector != ''")[1])
    assert sorted(cells.values()) == ["synthetic:n=30", "synthetic:n=31"]


def test_windows_are_cut_of_synthetic_episodes_too():
    plan = plan_of(window=3)
    pool = cell_of(plan, SYNTHETIC).task.pool
    whole = cell_of(plan_of(), SYNTHETIC).task.pool
    cut = [one for one in pool.demonstrations if is_synthetic(one.id)]
    episodes = [one for one in whole.demonstrations if is_synthetic(one.id)]
    assert all(len(one.steps) <= 3 for one in cut)
    assert sum(len(one.steps) for one in cut) == sum(len(one.steps) for one in episodes)


def test_controls_work_on_extended_pools():
    plan = plan_of(selector=(SYNTHETIC, f"{SYNTHETIC}+noise=0.5"))
    noisy = cell_of(plan, f"{SYNTHETIC}+noise=0.5")
    assert noisy.task.pool.hash == cell_of(plan, SYNTHETIC).task.pool.hash
    start = next(plan.starts(noisy))
    plain = choose(cell_of(plan, SYNTHETIC), start, seed=0).selection.ids
    altered = choose(noisy, start, seed=0).selection.ids
    assert tuple(id.partition("~")[0] for id in altered) == plain
    assert sum("~noise" in id for id in altered) == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"selector": (f"{SYNTHETIC}:add=no",), "demos": (64,)},
            r"selector synthetic:.*: 64 demonstrations of gridworld were asked for; its pool has",
        ),
        ({"task": ("cheetah",), "format": ("proprio",)}, "cheetah, takes seconds for a step"),
        (
            {"selector": ("synthetic",), "teacher_forced": True},
            "leave out one of it and teacher_forced",
        ),
    ],
)
def test_what_cannot_be_extended_is_refused(fields, said):
    with pytest.raises(UsageError, match=said):
        plan_of(**fields)


def test_of_all_tasks_those_that_cannot_are_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "off")
    plan = plan_of(task=("all",), format=(), selector=("synthetic:n=20",), episodes=1, demos=(1,))
    played = {cell.record.task for cell in plan.cells if cell.record.agent == "nearest"}
    assert played == {"crossword", "gridworld", "tic_tac_toe"}
    notes = {
        name: [n for n in plan.skipped if n.startswith(f"{name}: ")]
        for name in ("chess", "cheetah")
    }
    assert "comes out otherwise each time" in notes["chess"][0]
    assert "takes seconds for a step" in notes["cheetah"][0]


def test_a_plan_of_demonstration_openings_has_no_reference_players():
    experiment = Experiment(
        task=("gridworld",), format=("coords",), agent=("nearest",), demos=(2,), episodes=5
    )
    plan = make_plan(experiment, openings=OpeningRange("demonstration", 1000))
    (cell,) = plan.cells
    assert [start.number for start in plan.starts(cell)] == list(range(1000, 1005))
    assert {start.opening.split for start in plan.starts(cell)} == {"demonstration"}
    assert plan.fields["openings"] == {"split": "demonstration", "first": 1000}
    usual = make_plan(experiment)
    assert "openings" not in usual.fields
    assert usual.hash != plan.hash
    assert len(usual.cells) == 3


def test_reference_players_can_play_demonstration_openings_too():
    experiment = Experiment(task=("gridworld",), agent=("random", "expert"), episodes=5)
    plan = make_plan(experiment, openings=OpeningRange("demonstration", 3))
    assert [cell.record.agent for cell in plan.cells] == ["random", "expert"]
    assert all(cell.record.asked for cell in plan.cells)
    assert not plan.tasks["gridworld"].references
