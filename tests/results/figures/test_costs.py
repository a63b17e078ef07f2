"""Costs against scores, and the Pareto front."""

import numpy as np
import pytest

from icil.results import Leaderboard
from icil.results.figures import draw_costs
from icil.results.figures.costs import why_no_costs

PLAIN = ("expert", "random", "Pareto front", "not finished")


def draw(*rows):
    return draw_costs(Leaderboard(rows=rows))


def points(axes):
    return {
        line.get_label(): list(zip(*(np.asarray(d).tolist() for d in line.get_data()), strict=True))
        for line in axes.lines
        if line.get_label() not in PLAIN and not line.get_label().startswith("_")
    }


def front(axes):
    (line,) = [line for line in axes.lines if line.get_label() == "Pareto front"]
    return list(zip(*(np.asarray(d).tolist() for d in line.get_data()), strict=True))


def test_a_cell_stands_at_the_cost_of_its_episode(make_row):
    (axes,) = draw(
        make_row("a", 1, 0.2, cost_usd=1.0, episodes=9, errors=1),
        make_row("a", 4, 0.6, cost_usd=10.0, episodes=10),
    ).axes
    assert points(axes) == {"a": [(pytest.approx(-1), 0.2), (pytest.approx(0), 0.6)]}
    ticks = dict(
        zip(axes.get_xticks(), (t.get_text() for t in axes.get_xticklabels()), strict=True)
    )
    assert ticks[-1.0] == "$0.1"
    assert ticks[0.0] == "$1"


def test_the_front_has_those_that_nothing_cheaper_beats(make_row):
    (axes,) = draw(
        make_row("a", 1, 0.2, cost_usd=1.0),
        make_row("a", 4, 0.1, cost_usd=2.0),
        make_row("b", 1, 0.5, cost_usd=3.0),
        make_row("b", 4, 0.5, cost_usd=4.0),
        make_row("b", 16, 0.9, cost_usd=2.5, note="unfinished"),
    ).axes
    *steps, end = front(axes)
    assert [score for _, score in steps] == [0.2, 0.5]
    assert end == (pytest.approx(axes.get_xlim()[1]), 0.5)
    assert [text.get_text() for text in axes.texts] == ["k = 1", "k = 1"]


def test_what_costs_nothing_stands_before_all_others(make_row):
    (axes,) = draw(make_row("free", 4, 0.3), make_row("paid", 1, 0.6, cost_usd=0.5)).axes
    ((free, _),), ((paid, _),) = points(axes)["free"], points(axes)["paid"]
    assert free < paid - 0.5
    assert "$0" in [label.get_text() for label in axes.get_xticklabels()]
    assert front(axes)[0] == (free, 0.3)


def test_unknown_prices_are_left_out_and_said(make_row):
    figure = draw(make_row("a", 1, 0.2, cost_usd=1.0), make_row("secret", 1, 0.9, cost_usd=None))
    assert list(points(figure.axes[0])) == ["a"]
    (remark,) = figure.texts
    assert "secret" in remark.get_text()


def test_a_cell_without_demonstrations_is_drawn_once(make_row):
    (axes,) = draw(
        make_row("a", 0, 0.1, cost_usd=1.0),
        make_row("a", 1, 0.2, cost_usd=2.0),
        make_row("a", 1, 0.3, cost_usd=2.0, selector="relevance"),
    ).axes
    assert sum(map(len, points(axes).values())) == 3


def test_labels_of_the_front_do_not_overlap(make_row):
    rows = [make_row("a", k, 0.5 + k / 1e4, cost_usd=1 + k / 1e4) for k in range(1, 40)]
    figure = draw(*rows, make_row("a", 100, 0.9, cost_usd=100.0))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) > 1
    assert not any(one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[n + 1 :])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"cost_usd": 0.0}, "cost anything"),
        ({"cost_usd": None}, "not known"),
        ({"cost_usd": 1.0, "score": None}, "cost anything"),
    ],
)
def test_without_known_costs_there_is_no_picture(row, why, make_row):
    leaderboard = Leaderboard(rows=(make_row(**row),))
    assert draw_costs(leaderboard) is None
    assert why in why_no_costs(leaderboard)


def test_a_panel_without_a_known_price_says_so(make_row):
    figure = draw(
        make_row("a", 1, 0.2, cost_usd=1.0), make_row("b", 1, 0.9, cost_usd=None, format="rgb")
    )
    assert [text.get_text() for text in figure.axes[1].texts] == ["no price is known"]
