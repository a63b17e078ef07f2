"""What was wrong, as stacked bars."""

from itertools import pairwise

import pytest
from matplotlib.colors import to_rgb

from icil.results import Leaderboard
from icil.results.figures import draw_rates
from icil.results.figures.rates import why_no_rates


def draw(*rows):
    return draw_rates(Leaderboard(rows=rows))


def boxes(axes):
    """The boxes as (left, right, low, high), with their colours, from left to right."""
    found = []
    for patch in axes.patches:
        for corners in patch.get_path().vertices.reshape(-1, 5, 2):
            (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
            box = tuple(round(float(one), 9) for one in (left, right, low, high))
            found.append((box, to_rgb(patch.get_facecolor())))
    return sorted(found)


def stacks(axes):
    """The bars by the number of demonstrations under them: from where to where."""
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    found = {}
    for (left, right, low, high), _ in boxes(axes):
        found.setdefault(ticks[round((left + right) / 2)], []).append((low, high))
    return found


def test_the_kinds_are_stacked(make_row):
    (axes,) = draw(
        make_row("a", 0, illegal_rate=0.1, invalid_rate=0.2, empty_rate=0.3),
        make_row("a", 4, illegal_rate=0.1),
        make_row("a", 16),
    ).axes
    assert stacks(axes) == {"0": [(0.0, 0.1), (0.1, 0.3), (0.3, 0.6)], "4": [(0.0, 0.1)]}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "4", "16"]


def test_agents_stand_side_by_side_in_their_colours(make_row):
    (axes,) = draw(
        make_row("a", 1, illegal_rate=0.1),
        make_row("b", 1, illegal_rate=0.4),
        make_row("b", 4, illegal_rate=0.2),
    ).axes
    (first, blue), (second, red), (third, also_red) = boxes(axes)
    assert [high for *_, high in (first, second, third)] == [0.1, 0.4, 0.2]
    assert all(one[1] <= other[0] for one, other in pairwise((first, second, third)))
    assert blue != red == also_red


def test_the_legend_names_agents_and_kinds(make_row):
    figure = draw(make_row("a", empty_rate=0.5), make_row("b"))
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["a", "b", "illegal", "invalid", "empty"]
    handles = [getattr(handle, "patches", [handle])[0] for handle in legend.legend_handles]
    faces = [to_rgb(handle.get_facecolor()) for handle in handles]
    assert len(set(faces)) == 5


def test_selectors_are_taken_together_by_their_steps_and_controls_left_out(make_row):
    figure = draw(
        make_row("a", 1, illegal_rate=0.1, episodes=10, steps_mean=6.0),
        make_row("a", 1, illegal_rate=0.4, episodes=20, steps_mean=1.0, selector="relevance"),
        make_row("a", 1, illegal_rate=1.0, selector="random+noise=0.5"),
    )
    assert stacks(figure.axes[0]) == {"1": [(0.0, pytest.approx((6 + 8) / 80))]}
    assert any("selectors" in text.get_text() for text in figure.texts)


def test_small_rates_are_not_blown_up(make_row):
    (axes,) = draw(make_row("a", illegal_rate=0.001)).axes
    assert axes.get_ylim() == (0, 0.05)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{"score": 0.5}], "no reply was"),
        ([{"score": None}], "no agent has played"),
        ([], "no agent has played"),
        ([{"agent": "random", "illegal_rate": 0.5}], "no agent has played"),
    ],
)
def test_nothing_wrong_is_no_picture(rows, why, make_row):
    leaderboard = Leaderboard(rows=tuple(make_row(**row) for row in rows))
    assert draw_rates(leaderboard) is None
    assert why in why_no_rates(leaderboard)


def test_many_agents_are_shared_out(make_row):
    figure = draw(*(make_row(f"agent {n:02}", illegal_rate=0.1) for n in range(49)))
    assert len(figure.axes) == 7
    for axes in figure.axes:
        assert len(boxes(axes)) == 7
