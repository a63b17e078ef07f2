"""The pictures of curves: what is drawn is what the curves say."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from icil.results import Curve, Curves, Estimate, Point, draw_curves, save_curves


def share(mean, half=0.1):
    return None if mean is None else Estimate(mean=mean, low=mean - half, high=mean + half)


def curve(agent="model", demonstrations=1, agreement=(0.9, 0.5), copies=None, **changes):
    copies = copies or [None] * len(agreement)
    points = tuple(
        Point(step=step, n=9, agreement=share(a), copies=share(c), on_course=share(a))
        for step, (a, c) in enumerate(zip(agreement, copies, strict=True))
    )
    fields = {
        "task": "toy",
        "format": "ascii",
        "selector": "random" if demonstrations else "",
        "context_tokens": None,
        "episodes": 9,
        "agreement": None,
        "copies": None,
        "on_course": None,
        "points": points,
        "agent": agent,
        "demonstrations": demonstrations,
    }
    return Curve(**{**fields, **changes})


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


def test_a_line_goes_through_the_means():
    agreement, copies, course = draw(curve(copies=(0.25, None))).axes
    assert lines(agreement) == {"model, 1": [(0, 0.9), (1, 0.5)]}
    assert lines(copies) == {"model, 1": [(0, 0.25)]}
    assert lines(course) == {"model, 1": [(0, 0.9), (1, 0.5)]}
    assert agreement.get_ylabel() == "toy\nascii"


def test_a_band_spans_the_interval():
    axes = draw(curve()).axes[0]
    (band,) = axes.collections
    corners = {(float(x), round(float(y), 9)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(0.0, 0.8), (0.0, 1.0), (1.0, 0.4), (1.0, 0.6)}


def test_what_was_not_measured_is_not_drawn():
    _, copies, _ = draw(curve()).axes
    assert lines(copies) == {}
    assert not copies.collections


def test_a_line_ends_where_one_of_many_episodes_is_left():
    last = Point(step=1, n=1, agreement=Estimate(mean=0.0), copies=None, on_course=None)
    many = curve()
    axes = draw(curve(points=(many.points[0], last))).axes[0]
    assert lines(axes) == {"model, 1": [(0, 0.9)]}


def test_a_single_episode_is_drawn_without_a_band():
    points = tuple(
        Point(step=step, n=1, agreement=Estimate(mean=mean), copies=None, on_course=None)
        for step, mean in enumerate((1.0, 0.0))
    )
    axes = draw(curve(points=points, episodes=1)).axes[0]
    assert lines(axes) == {"model, 1": [(0, 1.0), (1, 0.0)]}
    assert not axes.collections


def test_there_is_a_row_for_each_task_and_format():
    figure = draw(curve(), curve(format="rgb"), curve(task="walk", format="text"))
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == [
        "toy\nascii",
        "toy\nrgb",
        "walk\ntext",
    ]
    assert len(figure.axes) == 9
    assert legend(figure) == ["model, 1"]


def test_more_demonstrations_are_darker_and_another_selector_has_another_colour():
    rows = [curve(demonstrations=k) for k in (16, 1, 4)]
    rows += [curve(demonstrations=4, selector="relevance"), curve(demonstrations=0)]
    found = colors(draw(*rows).axes[0])
    assert sum(found["model, 1"]) > sum(found["model, 4"]) > sum(found["model, 16"])
    assert len(set(found.values())) == 5
    assert "model, relevance, 4" in found


def test_a_curve_looks_the_same_in_every_panel():
    rows = [curve(demonstrations=k, copies=(0.5, 0.5)) for k in (1, 4)]
    figure = draw(*rows, curve(demonstrations=4, format="rgb"))
    first, second, _, other = figure.axes[:4]
    assert colors(first) == colors(second)
    assert colors(other)["model, 4"] == colors(first)["model, 4"]


def test_the_players_are_told_apart_and_budgets_named():
    figure = draw(
        curve("expert", 0, selector=""),
        curve("random", 0, selector=""),
        curve("model", 7, context_tokens=8192),
    )
    assert sorted(legend(figure)) == ["expert", "model, 8192 tokens", "random"]


def test_what_was_given_and_not_chosen_is_named_by_its_number():
    """As in teacher-forced runs with one demonstration."""
    figure = draw(curve(demonstrations=1, selector=""), curve(demonstrations=4))
    assert legend(figure) == ["model, 1", "model, 4"]


def test_very_many_curves_are_drawn(tmp_path):
    rows = [curve(f"agent {n}", k, selector=s) for n in range(12) for k in (1, 4) for s in "ab"]
    save_curves(Curves(tuple(rows)), tmp_path / "many.png")
    assert (tmp_path / "many.png").stat().st_size > 0


@pytest.mark.parametrize("rows", [(), (curve(agreement=(None,)),)])
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_run_with_nothing_to_draw_is_drawn(rows, kind, tmp_path):
    save_curves(Curves(rows), tmp_path / f"none.{kind}")
    assert (tmp_path / f"none.{kind}").stat().st_size > 0


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_file_is_the_same_each_time_and_written_whole(kind, tmp_path):
    curves = Curves((curve(), curve(demonstrations=4)))
    one, two = tmp_path / f"one.{kind}", tmp_path / f"two.{kind}"
    two.write_text("what was there before")
    save_curves(curves, one)
    save_curves(curves, two)
    assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [one.name, two.name]
    if kind == "png":
        with Image.open(one) as image:
            image.load()
            assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    else:
        assert "<svg" in one.read_text()
