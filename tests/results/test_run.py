"""A run from Python: frames with types, prompts, and a look while it is played."""

import pytest

from icil.results import Played, load, make_leaderboard
from icil.results.leaderboard import COLUMNS
from icil.tasks import RunFolderError, StoreError

FRAMES = ("cells", "episodes", "steps", "calls", "leaderboard")


@pytest.fixture
def store(make_store, make_cell, play, answer):
    cells = make_cell("model"), make_cell("random")
    store = make_store(*cells)
    known = answer(input_tokens=7, output_tokens=2, cost_usd=0.5, latency_s=1.5, agrees=True)
    unpriced = answer("illegal", cost_usd=None, latency_s=0.5)
    play(store, cells[0], 0, 1.0, steps=[known, unpriced])
    play(store, cells[0], 1, status="error")
    play(store, cells[1], 0, 0.25)
    return store


@pytest.fixture
def run(store):
    with load(store.path.parent) as run:
        yield run


@pytest.mark.parametrize("name", FRAMES)
def test_every_column_has_a_type_that_knows_what_is_not_known(run, name):
    frame = getattr(run, name)()
    types = set(map(str, frame.dtypes))
    assert types <= {"Int64", "Float64", "boolean", "string"}


@pytest.mark.parametrize("name", FRAMES)
def test_an_empty_run_has_the_same_columns_and_types(make_store, run, name, tmp_path):
    (tmp_path / "empty").mkdir()
    make_store(path=tmp_path / "empty" / "run.sqlite")
    with load(tmp_path / "empty") as empty:
        frame, full = getattr(empty, name)(), getattr(run, name)()
    assert len(frame) == 0
    assert dict(frame.dtypes) == dict(full.dtypes)


def test_steps_say_whether_the_goal_is_met(make_store, make_cell, answer, tmp_path):
    (tmp_path / "goal").mkdir()
    cell = make_cell()
    store = make_store(cell, path=tmp_path / "goal" / "run.sqlite")
    episode = store.begin_episode(store.cells()[cell.hash], 0)
    for step, success in enumerate((None, False, True)):
        before = Played(reward=0.0, success=success)
        store.add_step(episode, step, answer(), previous=before if step else None)
    with load(tmp_path / "goal") as run:
        met = run.steps()["success"]
    assert str(met.dtype) == "boolean"
    assert met.fillna(False).tolist() == [False, True, False]
    assert met.isna().tolist() == [False, False, True]


def test_episodes_say_what_is_known_and_no_more(run):
    done, error, random = (row for _, row in run.episodes().iterrows())
    assert (done["status"], done["score"], done["steps"], done["illegal"]) == ("done", 1.0, 2, 1)
    assert (done["agreed"], done["agreement_known"]) == (1, 1)
    assert (done["input_tokens"], done["output_tokens"]) == (7, 2)
    import pandas as pd

    assert done["cost_usd"] is pd.NA
    assert error["score"] is pd.NA
    assert error["message"] == "it went wrong"
    assert (random["agent"], random["agreed"]) == ("random", pd.NA)


def test_steps_are_those_that_count_and_calls_all_that_cost(store, run, answer):
    before = len(run.steps()), len(run.calls())
    episode = store.begin_episode(1, 1, restart=True)
    store.add_step(episode, 0, answer(latency_s=2.0), previous=None)
    store.end_episode(episode, "done", score=0.0, last=(0, Played(reward=0.0)))
    steps, calls = run.steps(), run.calls()
    assert (len(steps), len(calls)) == (before[0], before[1] + 1)
    again = calls[calls["attempt"] == 1]
    assert again["counts"].tolist() == [True]
    assert again["latency_s"].tolist() == [2.0]
    assert steps["reward"].notna().sum() == 2


def test_the_leaderboard_has_the_columns_and_numbers_of_the_file(store, run):
    frame = run.leaderboard()
    assert tuple(frame.columns) == COLUMNS
    rows = make_leaderboard(store).rows
    assert frame["score_mean"].tolist() == [row.score_mean for row in rows]
    assert frame["score_ci_low"].isna().all()  # of one episode there is none


def test_a_run_is_read_while_it_is_played(store, run, make_cell):
    assert len(run.episodes()) == 3
    store.begin_episode(1, 2)
    assert run.episodes()["status"].tolist() == ["done", "error", "running", "done"]


def test_what_is_no_run_and_what_is_not_there(run, tmp_path):
    with pytest.raises(RunFolderError, match="holds no run"):
        load(tmp_path / "nowhere")
    for place in ((99, 0), (1, 99), (1, -1)):
        with pytest.raises(StoreError, match="holds no step"):
            run.prompt(*place)
    with pytest.raises(StoreError, match="holds no episode 99"):
        run.store.steps(99)
    assert run.prompt(1, 0).parts == ()
