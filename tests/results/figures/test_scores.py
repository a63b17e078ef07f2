"""The scores, drawn: what is there is what the leaderboard says."""

import numpy as np
import pytest

from icil.results import Leaderboard, draw_scores


def draw(*rows, **experiment):
    return draw_scores(Leaderboard(rows=rows, experiment=experiment))


def lines(axes):
    """The lines with their points, less the levels."""
    drawn = [line for line in axes.lines if line.get_label() not in ("expert", "random")]
    return {
        line.get_label(): list(zip(*(np.asarray(d).tolist() for d in line.get_data()), strict=True))
        for line in drawn
    }


def levels(axes):
    return {
        line.get_label(): line.get_ydata()[0]
        for line in axes.lines
        if line.get_label() in ("expert", "random")
    }


def ticks(axes):
    labels = [label.get_text() for label in axes.get_xticklabels()]
    return dict(zip(axes.get_xticks().tolist(), labels, strict=True))


def test_a_line_goes_through_the_means_of_its_rows(make_row):
    (axes,) = draw(
        make_row(demonstrations=16, score=0.7),
        make_row(demonstrations=0, score=0.2),
        make_row(demonstrations=4, score=0.6),
        make_row(demonstrations=1, score=0.3),
    ).axes
    assert lines(axes) == {"model": [(-1.0, 0.2), (0.0, 0.3), (2.0, 0.6), (4.0, 0.7)]}
    assert ticks(axes) == {-1: "0", 0: "1", 2: "4", 4: "16"}
    assert axes.get_title() == "toy · ascii"
    assert axes.get_ylabel() == "mean return"


def test_a_band_spans_the_interval(make_row):
    (axes,) = draw(
        make_row(demonstrations=1, score=0.3), make_row(demonstrations=2, score=0.5)
    ).axes
    (band,) = axes.collections
    corners = {(float(x), round(float(y), 9)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(0.0, 0.2), (0.0, 0.5), (1.0, 0.4), (1.0, 0.7)}


def test_rows_without_an_interval_are_points_without_a_band(make_row):
    bare = {"score_ci_low": None, "score_ci_high": None}
    (axes,) = draw(make_row(demonstrations=1, **bare), make_row(demonstrations=2, **bare)).axes
    assert lines(axes) == {"model": [(0.0, 0.5), (1.0, 0.5)]}
    assert not axes.collections


def test_the_reference_players_are_levels(make_row):
    players = [make_row(a, 0, s) for a, s in (("expert", 0.9), ("random", 0.1))]
    figure = draw(make_row(), *players)
    (axes,) = figure.axes
    assert levels(axes) == {"expert": 0.9, "random": 0.1}
    assert list(lines(axes)) == ["model"]
    (legend,) = figure.legends
    assert sorted(text.get_text() for text in legend.get_texts()) == ["expert", "model", "random"]


def test_the_levels_are_those_of_the_row_with_the_most_openings(make_row):
    (axes,) = draw(
        make_row(demonstrations=1, score=0.9, episodes=3, expert_mean=0.5, note="unfinished"),
        make_row(demonstrations=4, score=0.2, episodes=40, expert_mean=0.8),
    ).axes
    assert levels(axes)["expert"] == 0.8


def test_a_level_that_is_not_known_is_not_drawn(make_row):
    (axes,) = draw(make_row(random_mean=None)).axes
    assert levels(axes) == {"expert": 0.9}


def test_each_agent_and_selector_has_a_line_of_its_own(make_row):
    (axes,) = draw(
        make_row("a", 0, 0.1),
        make_row("a", 1, 0.2),
        make_row("a", 1, 0.3, selector="relevance"),
        make_row("b", 0, 0.4),
    ).axes
    assert lines(axes) == {
        "a": [(-1.0, 0.1), (0.0, 0.2)],
        "a, relevance": [(-1.0, 0.1), (0.0, 0.3)],
        "b": [(-1.0, 0.4)],
    }


def test_budgets_have_a_panel_of_their_own_with_an_axis_in_tokens(make_row):
    counted, filled = draw(
        make_row(demonstrations=0, score=0.1),
        make_row(demonstrations=4, score=0.2),
        make_row(demonstrations=9, context_tokens=2000, score=0.3),
        make_row(demonstrations=40, context_tokens=8000, score=0.5),
        make_row(demonstrations=5000, context_tokens=1_000_000, score=0.6),
    ).axes
    assert lines(counted) == {"model": [(-1.0, 0.1), (2.0, 0.2)]}
    points = lines(filled)["model"]
    assert [score for _, score in points] == [0.1, 0.3, 0.5, 0.6]
    places = [place for place, _ in points]
    assert places[2] - places[1] == pytest.approx(2)  # four times as many
    assert places[1] - places[0] == pytest.approx(1)
    assert list(ticks(filled).values()) == ["0", "2k", "8k", "1M"]
    assert "tokens" in filled.get_xlabel()
    assert "tokens" not in counted.get_xlabel()


def test_budgets_alone_have_no_panel_for_numbers(make_row):
    (axes,) = draw(make_row(demonstrations=9, context_tokens=2000), make_row("b", 0)).axes
    assert "tokens" in axes.get_xlabel()
    assert list(lines(axes)) == ["model", "b"] or list(lines(axes)) == ["b", "model"]


def test_an_unfinished_cell_is_a_hollow_point(make_row):
    (axes,) = draw(make_row(demonstrations=1), make_row(demonstrations=4, note="unfinished")).axes
    faces = {line.get_label(): line.get_markerfacecolor() for line in axes.lines}
    assert faces["not finished"] == "white"
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert any(np.asarray(line.get_xdata()).tolist() == [2.0] for line in hollow)


def test_a_finished_run_says_nothing_of_hollow_points(make_row):
    (axes,) = draw(make_row()).axes
    assert "not finished" not in [line.get_label() for line in axes.lines]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"errors": 3}, "3 episodes in error"),
        ({"note": "overlong"}, "too long"),
        ({"note": "unfinished"}, "no episode is finished"),
    ],
)
def test_a_panel_without_scores_says_why(row, said, make_row):
    empty, full = draw(make_row(score=None, **row), make_row(format="rgb")).axes
    (text,) = empty.texts
    assert said in text.get_text().replace("\n", " ")
    assert not full.texts


def test_a_leaderboard_without_rows_says_so():
    (axes,) = draw().axes
    assert [text.get_text() for text in axes.texts] == ["no cells"]


def test_a_run_of_reference_players_alone_is_levels(make_row):
    (axes,) = draw(make_row("random", 0, 0.1), make_row("expert", 0, 0.9)).axes
    assert levels(axes) == {"expert": 0.9, "random": 0.1}
    assert lines(axes) == {}


def test_a_teacher_forced_run_has_another_score(make_row):
    (axes,) = draw(make_row(selector=""), teacher_forced=True).axes
    assert axes.get_ylabel() == "share of actions reproduced"


def test_panels_of_a_task_have_the_same_axis(make_row):
    figure = draw(
        make_row(score=0.1, expert_mean=0.2),
        make_row(format="rgb", score=0.7),
        make_row(task="walk", format="text", score=50.0),
    )
    one, other, walk = (axes.get_ylim() for axes in figure.axes)
    assert one == other
    assert walk[1] > 40 > one[1]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 15])
def test_there_is_a_panel_for_each_task_and_format(count, make_row):
    rows = [
        make_row("model", k, 0.05 * number + 0.01 * k, format=f"format {number:02}")
        for number in range(count)
        for k in (1, 2)
    ]
    figure = draw(*rows)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"toy · format {n:02}" for n in range(count)]
    for number, axes in enumerate(figure.axes):
        (_, first), (_, second) = lines(axes)["model"]
        assert first == pytest.approx(0.05 * number + 0.01)
        assert second == pytest.approx(0.05 * number + 0.02)


def test_many_series_are_shared_out_over_sections(make_row):
    rows = [
        make_row(f"agent {n}", 1, 0.1, selector=selector)
        for n in range(7)
        for selector in ("random", *"abcdef")
    ]
    figure = draw(*rows)
    drawn = [list(lines(axes)) for axes in figure.axes]
    assert len(drawn) == len(figure.legends) == 7
    assert max(map(len, drawn)) <= 8
    assert len({label for labels in drawn for label in labels}) == 49
    for labels, legend in zip(drawn, figure.legends, strict=True):
        told = {text.get_text() for text in legend.get_texts()}
        assert told - {"expert", "random"} == set(labels)
