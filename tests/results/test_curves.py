"""Curves over the step number, known by hand; what the store keeps of them."""

import csv
import io

import numpy as np
import pytest

from icil.results import (
    Estimate,
    Imitation,
    imitation_frame,
    make_curves,
    make_leaderboard,
)

HEADER = (
    "task,format,agent,selector,demonstrations,step,n,agreement,copies,on_course,"
    "agreement_ci_low,agreement_ci_high,copies_ci_low,copies_ci_high,on_course_ci_low,"
    "on_course_ci_high,context_tokens"
)


@pytest.fixture
def measure(play, answer):
    """Returns a function that plays an episode of so many steps and says how it imitates."""

    def measure(store, cell, opening, agrees, copies, *, departs=None, expert=True):
        episode = play(store, cell, opening, 1.0, steps=[answer() for _ in agrees])
        found = Imitation(
            agrees=tuple(agrees), copies=tuple(copies), expert=expert, departs=departs
        )
        store.set_imitation(episode.id, found)
        return episode

    return measure


@pytest.fixture
def store(make_store, make_cell, measure):
    """Three episodes: one ends after a step, one departs at step 1, one at once."""
    cell = make_cell()
    store = make_store(cell)
    measure(store, cell, 0, [True], [True])
    measure(store, cell, 1, [True, False, True], [False, True, False], departs=1)
    measure(store, cell, 2, [False, False], [True, True], departs=0)
    return store


def means(curve, name):
    return [found and found.mean for found in (getattr(point, name) for point in curve.points)]


def test_a_curve_is_known_by_hand(store):
    (curve,) = make_curves(store).rows
    assert (curve.task, curve.format, curve.agent, curve.selector) == (
        "toy",
        "ascii",
        "model",
        "random",
    )
    assert (curve.demonstrations, curve.context_tokens, curve.episodes) == (1, None, 3)
    assert [(point.step, point.n) for point in curve.points] == [(0, 3), (1, 2), (2, 1)]
    assert means(curve, "agreement") == [pytest.approx(2 / 3), 0.0, 1.0]
    assert means(curve, "copies") == [pytest.approx(2 / 3), 1.0, 0.0]
    # Of all three, also those that have ended: two are on course at step 0, then one.
    assert means(curve, "on_course") == [pytest.approx(x / 3) for x in (2, 1, 1)]
    # Over all six steps.
    assert curve.agreement.mean == 0.5
    assert curve.copies.mean == pytest.approx(4 / 6)
    assert curve.on_course.mean == pytest.approx(1 / 3)


def test_intervals_resample_episodes(store):
    (curve,) = make_curves(store).rows
    # Whole numbers of three; each of two in a resample of three may be missing.
    assert curve.on_course == Estimate(mean=pytest.approx(1 / 3), low=0.0, high=1.0)
    assert curve.points[1].agreement == Estimate(mean=0.0, low=0.0, high=0.0)
    assert curve.points[2].agreement == Estimate(mean=1.0)  # of one episode


def test_what_was_not_asked_is_not_known(make_store, make_cell, measure):
    cell = make_cell()
    store = make_store(cell)
    measure(store, cell, 0, [None, None], [True, None], expert=False)
    measure(store, cell, 1, [True, False], [None, None], departs=1)
    (curve,) = make_curves(store).rows
    assert means(curve, "agreement") == [1.0, 0.0]
    assert means(curve, "copies") == [1.0, None]
    assert means(curve, "on_course") == [1.0, 0.0]  # of the one whose expert was asked
    assert (curve.episodes, curve.agreement.mean, curve.copies.mean) == (2, 0.5, 1.0)


def test_nothing_asked_gives_a_curve_without_figures(make_store, make_cell, measure):
    cell = make_cell("random")
    store = make_store(cell)
    measure(store, cell, 0, [None], [None], expert=False)
    first, _ = make_curves(store).rows
    assert (first.agreement, first.copies, first.on_course) == (None, None, None)
    assert make_curves(store).to_csv().splitlines() == [
        HEADER,
        "toy,ascii,random,,0,0,1,,,,,,,,,,",
        "toy,rgb,random,,0,0,1,,,,,,,,,,",
    ]


def test_what_was_not_measured_has_no_curve(make_store, make_cell, play, measure):
    cells = make_cell(), make_cell("other")
    store = make_store(*cells)
    play(store, cells[0], 0, 1.0)
    measure(store, cells[1], 0, [True], [True])
    assert [curve.agent for curve in make_curves(store).rows] == ["other"]


def test_a_run_without_anything_measured_has_no_curves(make_store, make_cell):
    assert make_curves(make_store(make_cell())).to_csv() == HEADER + "\n"


def test_players_that_look_at_nothing_stand_in_each_format(make_store, make_cell, measure):
    expert, unasked = make_cell("expert"), make_cell("random", asked=False)
    store = make_store(expert, unasked)
    measure(store, expert, 0, [True], [None])
    measure(store, unasked, 0, [False], [None], departs=0)
    assert [(c.agent, c.format) for c in make_curves(store).rows] == [
        ("expert", "ascii"),
        ("expert", "rgb"),
    ]


def test_budgets_are_told_apart(make_store, make_cell, measure):
    cells = [make_cell(context_tokens=n, demonstrations=0) for n in (32000, 8000)]
    store = make_store(*cells)
    for cell in cells:
        measure(store, cell, 0, [True], [True])
    assert [curve.context_tokens for curve in make_curves(store).rows] == [8000, 32000]


def test_the_file_has_a_row_a_step(store, tmp_path):
    curves = make_curves(store)
    curves.write(tmp_path / "imitation.csv")
    text = (tmp_path / "imitation.csv").read_text()
    assert text.splitlines()[0] == HEADER
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["step"], row["n"]) for row in rows] == [("0", "3"), ("1", "2"), ("2", "1")]
    assert rows[0]["agreement"] == "0.666667"
    assert rows[2] == {
        "task": "toy",
        "format": "ascii",
        "agent": "model",
        "selector": "random",
        "demonstrations": "1",
        "step": "2",
        "n": "1",
        "agreement": "1",
        "copies": "0",
        "on_course": "0.333333",
        "agreement_ci_low": "",
        "agreement_ci_high": "",
        "copies_ci_low": "",
        "copies_ci_high": "",
        "on_course_ci_low": "0",
        "on_course_ci_high": "1",
        "context_tokens": "",
    }
    assert [path.name for path in tmp_path.glob("imitation*")] == ["imitation.csv"]


def test_curves_are_the_same_each_time(store):
    assert make_curves(store).to_csv() == make_curves(store).to_csv()


def test_agreement_reaches_the_leaderboard_and_scores_do_not_change(
    make_store, make_cell, play, answer
):
    cell = make_cell()
    store = make_store(cell)
    episode = play(store, cell, 0, 0.25, steps=[answer(), answer("invalid"), answer()])
    before = make_leaderboard(store).rows[0]
    assert before.expert_agreement is None
    store.set_imitation(
        episode.id,
        Imitation(agrees=(True, False, True), copies=(True,) * 3, expert=True, departs=1),
    )
    after = make_leaderboard(store).rows[0]
    assert after.expert_agreement == pytest.approx(2 / 3)
    assert (after.score_mean, after.invalid_rate) == (before.score_mean, before.invalid_rate)


def test_steps_of_an_earlier_attempt_are_not_judged(make_store, make_cell, answer):
    cell = make_cell()
    store = make_store(cell)
    first = store.begin_episode(1, 0)
    store.add_step(first, 0, answer(reply="first"))
    second = store.begin_episode(1, 0, restart=True)
    store.add_step(second, 0, answer(reply="second"))
    store.end_episode(second, "done", score=0.0)
    assert [step.reply for step in store.steps(second.id)] == ["second"]
    store.set_imitation(second.id, Imitation(agrees=(True,), copies=(False,), expert=True))
    rows = store.rows("SELECT reply, agrees, copies FROM steps ORDER BY attempt")[1]
    assert rows == [("first", None, None), ("second", 1, 0)]
    assert len(imitation_frame(store)) == 1


def test_what_a_teacher_forced_run_knows_is_kept(make_store, make_cell, play, answer):
    cell = make_cell()
    store = make_store(cell)
    episode = play(store, cell, 0, 0.5, steps=[answer(agrees=True), answer(agrees=False)])
    found = Imitation(agrees=(None, None), copies=(True, False), expert=False)
    store.set_imitation(episode.id, found)
    frame = imitation_frame(store)
    assert frame[["agrees", "copies", "expert"]].to_numpy().tolist() == [[1, 1, 0], [0, 0, 0]]
    assert np.isnan(frame["departs"]).all()


def test_what_was_found_is_replaced(store):
    store.set_imitation(1, Imitation(agrees=(False,), copies=(None,), expert=True, departs=0))
    assert store.rows("SELECT agrees, copies FROM steps WHERE episode = 1")[1] == [(0, None)]
    assert store.rows("SELECT * FROM imitation WHERE episode = 1")[1] == [(1, 1, 0)]
