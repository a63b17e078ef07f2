"""Over all tasks: one row an agent and selector, nothing flattered and nothing hidden."""

import numpy as np
import pytest
from scipy.stats import trim_mean

from icil.results import Overall, make_overall, profiles
from icil.results.overall import Place, interquartile_mean, over_tasks


@pytest.fixture
def board(make_store, play, answer):
    """Returns a function that makes a store of cells with their scores by opening."""

    def board(scores, cost=0.0, **meta):
        store = make_store(*scores, **meta)
        for cell, of_cell in scores.items():
            for opening, score in enumerate(of_cell):
                steps = [answer(cost_usd=cost, input_tokens=7)]
                status = "done" if score is not None else "error"
                play(store, cell, opening, score, status=status, steps=steps)
        return store

    return board


@pytest.fixture
def players(make_cell):
    """Random scores 0 and the expert 2, on two openings of two tasks."""
    return {
        make_cell(name, task=task): [score] * 2
        for name, score in (("random", 0.0), ("expert", 2.0))
        for task in ("toy", "walk")
    }


def only(found, agent, demonstrations="all"):
    (row,) = (r for r in found.rows if (r.agent, r.demonstrations) == (agent, demonstrations))
    return row


def test_tasks_count_alike_whatever_their_formats(board, make_cell, players):
    found = make_overall(
        board(
            {
                make_cell(format="ascii"): [1.0, 1.0],
                make_cell(format="rgb"): [0.0, 0.0],
                make_cell(task="walk", format="text"): [2.0, 2.0],
                **players,
            },
            cost=0.25,
        )
    )
    row = only(found, "model")
    assert row.normalized_mean == pytest.approx((0.25 + 1.0) / 2)
    assert row.iqm == pytest.approx((0.5 + 0.0 + 1.0) / 3)  # by task and format
    assert (row.normalized_ci_low, row.normalized_ci_high) == (0.625, 0.625)
    assert (row.tasks, row.cells, row.episodes, row.errors) == (2, 3, 6, 0)
    assert (row.missing, row.rank) == ("", 2)
    assert (row.input_tokens, row.cost_usd) == (42, 1.5)
    expert, random = only(found, "expert"), only(found, "random")
    assert (expert.rank, expert.normalized_mean, expert.tasks) == (1, 1.0, 2)
    assert (random.rank, random.normalized_mean, random.missing) == (3, 0.0, "")


def test_a_row_over_all_numbers_is_their_mean_and_never_their_best(board, make_cell, players):
    found = make_overall(
        board(
            {
                make_cell(selector="", demonstrations=0): [0.0, 0.0],
                make_cell(demonstrations=1): [1.0, 1.0],
                make_cell(demonstrations=4): [2.0, 2.0],
                make_cell(selector="hard", demonstrations=4): [1.0, 0.0],
                make_cell(selector="random+noise=1", demonstrations=4): [2.0, 2.0],
                **players,
            }
        )
    )
    shown = [(r.demonstrations, r.selector, r.normalized_mean) for r in found.rows if r.rank]
    assert shown == [
        ("all", "", 1.0),  # the expert
        ("all", "random", pytest.approx(0.5)),
        ("all", "", 0.0),
        ("0", "", 0.0),
        ("1", "random", 0.5),
        ("4", "random", 1.0),
        ("4", "hard", 0.25),
    ]
    hard = next(r for r in found.rows if (r.selector, r.demonstrations) == ("hard", "all"))
    assert (hard.rank, hard.missing) == (None, "toy · ascii at 1")
    assert hard.normalized_mean == pytest.approx(0.125)


def test_budgets_are_numbers_of_their_own(board, make_cell, players):
    cell = make_cell(demonstrations=0, context_tokens=8192)
    found = make_overall(board({cell: [2.0, 0.0], **players}))
    assert only(found, "model", "8192 tokens").normalized_mean == 0.5


def test_what_is_missing_is_said_and_not_ranked(board, make_cell, players):
    found = make_overall(
        board(
            {
                make_cell("whole"): [1.0, 1.0],
                make_cell("whole", format="rgb"): [1.0, 1.0],
                make_cell("blind to pictures"): [2.0, 2.0],
                make_cell("whole", task="walk", format="text"): [0.0, 0.0],
                **players,
            }
        )
    )
    row = only(found, "blind to pictures")
    assert (row.rank, row.tasks, row.missing) == (None, 1, "toy · rgb; walk · text")
    assert (only(found, "whole").rank, row.normalized_mean) == (2, 1.0)


@pytest.mark.parametrize("status", ["overlong", "running"])
def test_a_cell_without_a_score_is_missing(board, make_cell, players, play, status):
    cell, other = make_cell("a"), make_cell("b")
    store = board({cell: [1.0], other: [1.0, 1.0], **players}, experiment={"episodes": 2})
    if status == "overlong":
        play(store, cell, 1, status=status)
    row = only(make_overall(store), "a")
    assert (row.rank, row.missing, row.normalized_mean, row.iqm) == (
        None,
        "toy · ascii",
        None,
        None,
    )


def test_errors_leave_the_other_episodes(board, make_cell, players):
    row = only(make_overall(board({make_cell(): [2.0, None], **players})), "model")
    assert (row.normalized_mean, row.episodes, row.errors, row.rank) == (1.0, 1, 1, 1)


def test_one_episode_has_no_interval(board, make_cell):
    scores = {make_cell(): [1.0], make_cell("random"): [0.0], make_cell("expert"): [2.0]}
    row = only(make_overall(board(scores)), "model")
    assert (row.normalized_mean, row.normalized_ci_low, row.iqm_ci_high) == (0.5, None, None)


def test_without_reference_players_there_is_no_row_with_a_score(board, make_cell):
    row = only(make_overall(board({make_cell(): [1.0, 0.0]})), "model")
    assert (row.normalized_mean, row.rank, row.tasks) == (None, None, 0)


def test_a_cost_that_is_not_known_is_not_zero(board, make_cell, players):
    row = only(make_overall(board({make_cell(): [1.0, 1.0], **players}, cost=None)), "model")
    assert row.cost_usd is None


def test_openings_are_resampled_with_all_that_played_them(board, make_cell, tmp_path):
    """Two formats that go up and down together leave more doubt than two that take turns."""
    rng, widths = np.random.default_rng(1), []
    scores = rng.integers(0, 2, 40).astype(float)
    for other in (scores, 1 - scores):
        store = board(
            {
                make_cell(): scores.tolist(),
                make_cell(format="rgb"): other.tolist(),
                make_cell("random"): [0.0] * 40,
                make_cell("expert"): [1.0] * 40,
            },
            path=tmp_path / f"{len(widths)}.sqlite",
        )
        row = only(make_overall(store), "model")
        widths.append(row.normalized_ci_high - row.normalized_ci_low)
    assert widths[0] > 0.25
    assert widths[1] == pytest.approx(0.0, abs=1e-9)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    values = np.array([[0.0, 0.1, 0.2, 0.9], [1.0, 1.0, 0.0, 0.5]])
    assert interquartile_mean(values) == pytest.approx([0.15, 0.75])
    many = np.random.default_rng(0).random(37)
    assert interquartile_mean(many) == pytest.approx(trim_mean(many, 0.25))


def test_over_tasks_formats_are_averaged_first():
    places = (Place("a", "x"), Place("a", "y"), Place("b", "x"))
    values = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert over_tasks(values, places) == pytest.approx([0.75, 0.5])


def test_profiles_are_shares_above_a_bar(board, make_cell, players):
    store = board(
        {
            make_cell(format="ascii"): [1.0, 1.0],
            make_cell(format="rgb"): [2.0, 2.0],
            make_cell(task="walk", format="text"): [0.0, 2.0],
            **players,
        }
    )
    found = next(p for p in profiles(store, (-0.1, 0.4, 0.5, 0.9, 1.0)) if p.agent == "model")
    assert found.scores == 3
    assert found.shares == pytest.approx((1.0, 1.0, 1 / 3, 1 / 3, 0.0))
    # On `walk` a quarter of the resamples each are 0 and 1.
    assert (found.low[1], found.high[1]) == (pytest.approx(2 / 3), 1.0)
    assert (found.low[4], found.high[4]) == (0.0, 0.0)
    assert all(one >= other for one, other in zip(found.shares, found.shares[1:], strict=False))


def test_the_csv_has_the_columns_and_never_a_nan(board, make_cell, players, tmp_path):
    store = board({make_cell(): [1.0, None], make_cell("lost"): [None, None], **players})
    found = make_overall(store)
    found.write(tmp_path / "overall.csv")
    text = (tmp_path / "overall.csv").read_text()
    assert text == found.to_csv()
    assert text.splitlines()[0] == ",".join(Overall.columns())
    assert "nan" not in text.lower()
    assert make_overall(store).to_csv() == text


def test_a_policy_that_is_shown_demonstrations_has_a_row_for_each_number(
    make_store, make_cell, play
):
    def vla(agent, demonstrations):
        selector = "random" if demonstrations else ""
        fields = {"format": "", "selector": selector, "demonstrations": demonstrations}
        return make_cell(agent, **fields)

    players = {make_cell("random"): 0.0, make_cell("expert"): 1.0}
    cells = {**players, vla("vla/a", 0): 0.25, vla("vla/a", 4): 0.75, vla("vla/b", 0): 0.5}
    store = make_store(*cells)
    for cell, score in cells.items():
        play(store, cell, 0, score)
    found = {
        (row.agent, row.demonstrations): (row.rank, row.normalized_mean)
        for row in make_overall(store).rows
        if row.agent.startswith("vla/")
    }
    assert found == {
        ("vla/a", "all"): (2, 0.5),
        ("vla/b", "all"): (2, 0.5),
        ("vla/a", "0"): (1, 0.25),
        ("vla/a", "4"): (1, 0.75),
    }
