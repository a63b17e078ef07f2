"""The best scores, as bars."""

import pytest

from icil.results import Leaderboard
from icil.results.figures import draw_best


def draw(*rows):
    return draw_best(Leaderboard(rows=rows))


def bars(axes):
    """The bars, from where to where, by the agent whose name stands beside them."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    return {
        names[round(bar.get_y() + bar.get_height() / 2)]: (
            bar.get_x(),
            pytest.approx(bar.get_x() + bar.get_width()),
        )
        for bar in axes.patches
    }


def said(axes):
    names = [label.get_text() for label in axes.get_yticklabels()]
    return {names[round(text.get_position()[1])]: text.get_text() for text in axes.texts}


def test_a_bar_is_as_long_as_the_best_score_and_says_how_it_was_reached(make_row):
    (axes,) = draw(
        make_row("a", 0, 0.2),
        make_row("a", 4, 0.6),
        make_row("a", 16, 0.4),
        make_row("b", 4, 0.3),
        make_row("b", 16, 0.7, selector="relevance"),
        make_row("c", 99, 0.5, context_tokens=32000),
    ).axes
    assert bars(axes) == {"a": (0.0, 0.6), "b": (0.0, 0.7), "c": (0.0, 0.5)}
    assert said(axes) == {
        "a": "0.60, k = 4",
        "b": "0.70, k = 16, relevance",
        "c": "0.50, 32k tokens",
    }


def test_the_best_agent_comes_first_and_each_has_its_interval(make_row):
    (axes,) = draw(make_row("a", 1, 0.2), make_row("b", 1, 0.7), make_row("c", 1, None)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a", "c"]
    assert axes.yaxis_inverted()
    intervals = [
        [round(float(x), 9) for x in line.get_xdata()]
        for line in axes.lines
        if line.get_label() not in ("expert", "random")
    ]
    assert intervals == [[0.6, 0.9], [0.1, 0.4]]


def test_the_reference_players_are_upright_lines_and_no_bars(make_row):
    (axes,) = draw(make_row(), make_row("expert", 0, 0.9), make_row("random", 0, 0.1)).axes
    upright = {line.get_label(): line.get_xdata()[0] for line in axes.lines}
    assert upright["expert"] == 0.9
    assert upright["random"] == 0.1
    assert list(bars(axes)) == ["model"]


def test_bars_begin_at_the_lowest_score_where_that_is_negative(make_row):
    (axes,) = draw(
        make_row("a", 1, -0.5, random_mean=-0.9), make_row("b", 1, 0.2, random_mean=-0.9)
    ).axes
    assert bars(axes) == {"a": (-0.9, -0.5), "b": (-0.9, 0.2)}


def test_what_is_finished_and_not_altered_comes_before_what_scored_more(make_row):
    rows = [
        make_row("a", 4, 0.9, note="unfinished"),
        make_row("a", 1, 0.3),
        make_row("b", 4, 0.9, selector="random+shuffle_order"),
        make_row("b", 1, 0.2),
        make_row("c", 4, 0.1, note="unfinished"),
    ]
    found = said(draw(*rows).axes[0])
    assert found == {"a": "0.30, k = 1", "b": "0.20, k = 1", "c": "0.10, k = 4, unfinished"}


def test_with_equal_scores_the_fewest_demonstrations_are_named(make_row):
    (axes,) = draw(*(make_row("a", k, 0.5) for k in (16, 1, 4))).axes
    assert said(axes) == {"a": "0.50, k = 1"}


def test_an_agent_without_a_score_says_why(make_row):
    (axes,) = draw(make_row("a"), make_row("b", 1, None, errors=7)).axes
    assert said(axes)["b"] == "7 episodes in error"
    assert list(bars(axes)) == ["a"]


def test_an_agent_has_the_same_colour_in_every_panel(make_row):
    figure = draw(
        make_row("a", 1, 0.1),
        make_row("b", 1, 0.2),
        make_row("b", 1, 0.1, format="rgb"),
        make_row("c", 1, 0.2, format="rgb"),
    )
    one, other = figure.axes
    assert one.patches[0].get_facecolor() == other.patches[1].get_facecolor()
    assert one.patches[1].get_facecolor() != other.patches[0].get_facecolor()


def test_there_are_no_bars_without_agents(make_row):
    assert draw(make_row("expert", 0, 0.9), make_row("random", 0, 0.1)) is None


def test_where_all_is_nought_there_are_no_bars(make_row):
    nought = {"random_mean": None, "expert_mean": None}
    rows = [make_row("a", 1, 0.0, **nought), make_row("b", 1, 0.0, random_mean=0.0)]
    assert draw(make_row("a", 1, 0.0, **nought)) is None
    assert draw(*rows) is not None  # the expert's line shows how much there was to reach
    assert draw(make_row("a", 1, None, **nought)) is not None
