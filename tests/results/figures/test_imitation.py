"""The pictures of curves: what is drawn is what the curves say."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from icil.results import Curves, Estimate, Point, draw_curves


def draw(*rows):
    return draw_curves(Curves(rows))


def lines(axes):
    return {
        line.get_label(): list(zip(*(np.asarray(d).tolist() for d in line.get_data()), strict=True))
        for line in axes.lines
    }


def colors(axes):
    return {line.get_label(): to_rgb(line.get_color()) for line in axes.lines}


def legend(figure):
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_a_line_goes_through_the_means(make_curve):
    agreement, copies, course = draw(make_curve(copies=(0.25, None))).axes
    assert lines(agreement) == {"model, k = 1": [(0, 0.9), (1, 0.5)]}
    assert lines(copies) == {"model, k = 1": [(0, 0.25)]}
    assert lines(course) == {"model, k = 1": [(0, 0.9), (1, 0.5)]}
    assert agreement.get_ylabel() == "toy\nascii"
    assert "expert" in agreement.get_title()
    assert "copies" in copies.get_title()


def test_a_measure_that_was_not_taken_has_no_panel(make_curve):
    figure = draw(make_curve(), make_curve(format="rgb"))
    assert len(figure.axes) == 4
    assert not any("copies" in axes.get_title() for axes in figure.axes)


def test_a_panel_without_lines_says_so(make_curve):
    figure = draw(make_curve(), make_curve(format="rgb", agreement=(None, None)))
    *_, course = figure.axes
    assert [text.get_text() for text in course.texts] == ["not measured"]


def test_a_band_spans_the_interval(make_curve):
    axes = draw(make_curve()).axes[0]
    (band,) = axes.collections
    corners = {(float(x), round(float(y), 9)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(0.0, 0.8), (0.0, 1.0), (1.0, 0.4), (1.0, 0.6)}


def point(step, n, mean, low=None, high=None):
    one = Estimate(mean=mean, low=low, high=high)
    return Point(step=step, n=n, agreement=one, copies=None, on_course=one)


@pytest.mark.parametrize(
    ("episodes", "n", "bounds", "kept"),
    [
        (10, 1, (None, None), False),  # one of many says nothing
        (40, 4, (0.1, 0.9), True),
        (40, 3, (0.1, 0.9), False),  # less than a tenth
        (1, 1, (None, None), True),
    ],
)
def test_agreement_ends_where_few_episodes_are_left(episodes, n, bounds, kept, make_curve):
    bare = (None, None) if episodes == 1 else (0.5, 1.0)
    points = (point(0, episodes, 0.9, *bare), point(1, n, 0.5, *bounds))
    agreement, course = draw(make_curve(points=points, episodes=episodes)).axes
    assert (1, 0.5) in lines(course)["model, k = 1"] or bounds == (None, None)
    assert ((1, 0.5) in lines(agreement)["model, k = 1"]) == kept


def test_a_single_episode_is_drawn_without_a_band(make_curve):
    points = tuple(point(step, 1, mean) for step, mean in enumerate((1.0, 0.0)))
    axes = draw(make_curve(points=points, episodes=1)).axes[0]
    assert lines(axes) == {"model, k = 1": [(0, 1.0), (1, 0.0)]}
    assert not axes.collections


def test_there_is_a_row_for_each_task_and_format(make_curve):
    figure = draw(make_curve(), make_curve(format="rgb"), make_curve(task="walk", format="text"))
    labels = [axes.get_ylabel() for axes in figure.axes[::2]]
    assert labels == ["toy\nascii", "toy\nrgb", "walk\ntext"]
    assert legend(figure) == ["model, k = 1"]


def test_more_demonstrations_are_darker(make_curve):
    found = colors(draw(*(make_curve(demonstrations=k) for k in (16, 1, 4, 0))).axes[0])
    tones = [sum(found[f"model, k = {k}"]) for k in (0, 1, 4, 16)]
    assert tones == sorted(tones, reverse=True)
    assert len(set(tones)) == 4


def test_selectors_differ_in_their_lines_and_agents_in_their_colours(make_curve):
    one, other = make_curve(), make_curve(selector="relevance")
    axes = draw(one, other, make_curve("other")).axes[0]
    found = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert found["model, k = 1"][1] != found["model, relevance, k = 1"][1]
    assert found["model, k = 1"][0] != found["other, k = 1"][0]


def test_where_there_are_many_the_most_demonstrations_are_drawn_and_it_is_said(make_curve):
    rows = [
        make_curve("model", k, selector=selector if k else "")
        for selector in ("random", "relevance", "x")
        for k in (0, 1, 4, 16)
    ]
    figure = draw(*rows, make_curve("expert", 0, selector=""))
    assert set(lines(figure.axes[0])) == {
        "expert",
        "model, k = 0",
        "model, k = 16",
        "model, relevance, k = 16",
        "model, x, k = 16",
    }
    assert any("Not all" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize("agents", [7, 49])
def test_many_agents_are_shared_out_over_sections(agents, make_curve):
    figure = draw(*(make_curve(f"agent {n:02}", k) for n in range(agents) for k in (1, 4)))
    drawn = [set(lines(axes)) for axes in figure.axes[::2]]
    assert max(map(len, drawn)) <= 6
    assert {label for labels in drawn for label in labels} >= {
        f"agent {n:02}, k = 4" for n in range(agents)
    }
    assert len(figure.legends) == len(drawn) == -(-agents // 6)


def test_of_many_sizes_the_ends_and_some_between_are_drawn(make_curve):
    sizes = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    axes = draw(*(make_curve(demonstrations=k) for k in sizes)).axes[0]
    drawn = [int(label.rpartition(" ")[2]) for label in lines(axes)]
    assert len(drawn) == 6
    assert (drawn[0], drawn[-1]) == (0, 512)
    assert drawn == sorted(drawn)


def test_the_players_are_told_apart_and_budgets_named(make_curve):
    figure = draw(
        make_curve("expert", 0, selector=""),
        make_curve("random", 0, selector=""),
        make_curve("model", 7, context_tokens=8000),
    )
    assert sorted(legend(figure)) == ["expert", "model, 8k tokens", "random"]
    assert len(set(colors(figure.axes[0]).values())) == 3


def test_what_was_given_and_not_chosen_is_named_by_its_number(make_curve):
    """As in teacher-forced runs with one demonstration."""
    figure = draw(make_curve(demonstrations=1, selector=""), make_curve(demonstrations=4))
    assert legend(figure) == ["model, k = 1", "model, k = 4"]


def test_nothing_measured_is_said():
    (axes,) = draw().axes
    assert [text.get_text() for text in axes.texts] == ["nothing was measured"]
