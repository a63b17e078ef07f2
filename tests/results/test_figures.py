"""The figure: what is drawn is what the leaderboard says."""

from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from icil.results import Leaderboard, Row, draw_scores, save_scores


def row(agent="model", demonstrations=1, score=0.5, **changes):
    values = dict.fromkeys((field.name for field in fields(Row)), None)
    values |= {
        "task": "toy",
        "format": "ascii",
        "agent": agent,
        "selector": "random" if demonstrations else "",
        "demonstrations": demonstrations,
        "score_mean": score,
        "score_ci_low": None if score is None else score - 0.1,
        "score_ci_high": None if score is None else score + 0.2,
        "random_mean": 0.1,
        "expert_mean": 0.9,
    }
    return Row(**{**values, **changes})


def draw(*rows):
    return draw_scores(Leaderboard(rows=rows))


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


def legend(figure):
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_a_line_goes_through_the_means_of_its_rows():
    (axes,) = draw(
        row(demonstrations=16, score=0.7),
        row(demonstrations=0, score=0.2),
        row(demonstrations=4, score=0.6),
        row(demonstrations=1, score=0.3),
    ).axes
    assert lines(axes) == {"model": [(-1.0, 0.2), (0.0, 0.3), (2.0, 0.6), (4.0, 0.7)]}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "4", "16"]
    assert axes.get_xticks().tolist() == [-1, 0, 2, 4]
    assert axes.get_title() == "toy · ascii"


def test_a_band_spans_the_interval():
    (axes,) = draw(row(demonstrations=1, score=0.3), row(demonstrations=2, score=0.5)).axes
    (band,) = axes.collections
    corners = {(float(x), round(float(y), 9)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(0.0, 0.2), (0.0, 0.5), (1.0, 0.4), (1.0, 0.7)}


def test_a_row_without_an_interval_is_a_point_without_a_band():
    bare = {"score_ci_low": None, "score_ci_high": None}
    (axes,) = draw(row(demonstrations=1, **bare), row(demonstrations=2, **bare)).axes
    (band,) = axes.collections
    assert {float(y) for _, y in band.get_paths()[0].vertices} == {0.5}


def test_the_reference_players_are_levels():
    players = [row(a, 0, s) for a, s in (("expert", 0.9), ("random", 0.1))]
    figure = draw(row(), *players)
    (axes,) = figure.axes
    assert levels(axes) == {"expert": 0.9, "random": 0.1}
    assert list(lines(axes)) == ["model"]
    assert sorted(legend(figure)) == ["expert", "model", "random"]


def test_a_level_that_is_not_known_is_not_drawn():
    (axes,) = draw(row(random_mean=None)).axes
    assert levels(axes) == {"expert": 0.9}


def test_each_agent_and_selector_has_a_line_of_its_own():
    (axes,) = draw(
        row("a", 0, 0.1),
        row("a", 1, 0.2),
        row("a", 1, 0.3, selector="relevance"),
        row("b", 0, 0.4),
    ).axes
    assert lines(axes) == {
        "a": [(-1.0, 0.1), (0.0, 0.2)],
        "a, relevance": [(-1.0, 0.1), (0.0, 0.3)],
        "b": [(-1.0, 0.4)],
    }
    looks = [(line.get_color(), line.get_marker()) for line in axes.lines[-3:]]
    assert len(set(looks)) == 3


def test_a_row_without_a_score_is_left_out():
    (axes,) = draw(row(demonstrations=1, score=0.5), row(demonstrations=2, score=None)).axes
    assert lines(axes) == {"model": [(0.0, 0.5)]}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_there_is_a_panel_for_each_task_and_format(count):
    rows = [
        row("model", k, 0.1 * number + 0.01 * k, format=f"format {number}")
        for number in range(count)
        for k in (1, 2)
    ]
    figure = draw(*rows)
    assert [axes.get_title() for axes in figure.axes] == [f"toy · format {n}" for n in range(count)]
    for number, axes in enumerate(figure.axes):
        ((_, first), (_, second)) = lines(axes)["model"]
        assert (first, second) == (
            pytest.approx(0.1 * number + 0.01),
            pytest.approx(0.1 * number + 0.02),
        )
    assert sorted(legend(figure)) == ["expert", "model", "random"]


def test_an_agent_looks_the_same_in_every_panel():
    figure = draw(row("a"), row("b"), row("b", format="rgb"))
    first, second = figure.axes
    look = {line.get_label(): (line.get_color(), line.get_marker()) for line in first.lines}
    assert look["b"] == (second.lines[-1].get_color(), second.lines[-1].get_marker())


def test_many_agents_are_drawn(tmp_path):
    rows = [row(f"agent {n}", k, n / 30, format=f) for n in range(20) for k in (1, 4) for f in "ab"]
    figure = draw(*rows)
    assert all(len(lines(axes)) == 20 for axes in figure.axes)
    figure.savefig(tmp_path / "many.png")


@pytest.mark.parametrize("rows", [(), (row(score=None),), (row("random", 0, 0.1),)])
def test_a_run_with_nothing_to_draw_is_drawn(rows, tmp_path):
    save_scores(Leaderboard(rows=rows), tmp_path / "scores.png")
    with Image.open(tmp_path / "scores.png") as image:
        assert image.format == "PNG"


def test_the_file_is_a_picture_and_the_same_each_time(tmp_path):
    leaderboard = Leaderboard(rows=(row(demonstrations=0), row(demonstrations=512)))
    for name in ("one.png", "two.png"):
        save_scores(leaderboard, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        image.load()
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 10
