"""Names, colours and marks: alike in all the pictures of a run, and told apart by everybody."""

from colorsys import rgb_to_hsv
from itertools import combinations

import numpy as np
import pytest

from icil.results.figures.cast import Cast, cut, short_names
from icil.results.figures.colors import AGENTS, EXPERT, INK, RANDOM, SELECTORS, tint

# Machado, Oliveira and Fernandes 2009, full severity, of linear RGB.
SEEN_BY = {
    "all": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def lab(color, seen_by):
    """CIE L*a*b* of a colour as somebody sees it."""
    rgb = np.array(tint(color, 0))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(SEEN_BY[seen_by] @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen_by", SEEN_BY)
@pytest.mark.parametrize("colors", [AGENTS, (*SELECTORS, INK)], ids=["agents", "selectors"])
def test_any_two_colours_are_told_apart(colors, seen_by):
    apart = {
        pair: float(np.linalg.norm(lab(pair[0], seen_by) - lab(pair[1], seen_by)))
        for pair in combinations(colors, 2)
    }
    assert min(apart.values()) > 15, min(apart, key=apart.get)


@pytest.mark.parametrize("color", [*AGENTS, *SELECTORS, EXPERT, RANDOM])
def test_no_colour_is_lost_on_white(color):
    assert lab(color, "all")[0] < 80


def test_an_agent_has_one_hue_whatever_its_selector():
    selectors = ("random", "relevance", "x")
    cast = Cast([("a", ""), *(("a", selector) for selector in selectors), ("b", "random")])
    looks = [cast.look("a", selector) for selector in selectors]
    assert looks[0].color == cast.color("a") != cast.color("b")
    hues = [rgb_to_hsv(*tint(look.color, 0))[0] for look in looks]
    assert hues == pytest.approx([hues[0]] * 3, abs=0.01)
    assert len({look.color for look in looks}) == len({look.line for look in looks}) == 3


def test_the_cast_does_not_depend_on_the_order_of_the_cells():
    cells = [("b", "random"), ("a", ""), ("a", "x"), ("expert", "")]
    one, other = Cast(cells), Cast(reversed(cells))
    assert one.series == other.series == (("a", "x"), ("b", "random"))
    assert [one.look(*s) for s in one.series] == [other.look(*s) for s in other.series]


@pytest.mark.parametrize(("agents", "selectors"), [(49, 1), (7, 7), (1, 28), (20, 3)])
def test_all_series_are_drawn_differently(agents, selectors):
    cast = Cast(
        (f"agent {n:02}", "random" if s == 0 else f"selector {s:02}")
        for n in range(agents)
        for s in range(selectors)
    )
    assert len(cast.series) == agents * selectors
    assert len({cast.look(*series) for series in cast.series}) == len(cast.series)


def test_a_long_name_is_cut_in_the_middle():
    name = "local/a-model-with-a-name-that-has-no-end-in-sight@http://127.0.0.1:8000/v1"
    short = cut(name, 30)
    assert len(short) == 30
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert cut("nearest", 30) == "nearest"


def test_names_that_differ_in_the_middle_alone_are_still_told_apart():
    names = [f"{'a' * 40}{n}{'b' * 40}" for n in range(3)]
    found = short_names(names, 20)
    assert len(set(found.values())) == 3
    assert all("…" in short for short in found.values())


def test_a_name_that_matplotlib_would_leave_out_of_the_legend_is_in_it(make_row):
    from icil.results import Leaderboard, draw_scores

    figure = draw_scores(Leaderboard(rows=(make_row("_mine"),)))
    (legend,) = figure.legends
    assert "_mine" in [text.get_text().strip() for text in legend.get_texts()]
