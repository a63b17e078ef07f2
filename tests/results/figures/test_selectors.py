"""Selectors side by side, and their gaps to `random`."""

import pytest

from icil.results import Comparisons, Leaderboard, make_comparisons, make_leaderboard
from icil.results.figures import draw_selectors
from icil.results.figures.selectors import why_no_selectors

NOTHING = Comparisons(rows=())


def points(axes):
    return {
        line.get_label(): [round(float(y), 9) for y in line.get_ydata()]
        for line in axes.lines
        if line.get_label() not in ("expert", "random player")
        and not line.get_label().startswith("_")
    }


def test_scores_stand_side_by_side_at_each_number(make_row):
    rows = [make_row("a", k, 0.1 * k, selector=s) for k in (1, 4) for s in ("relevance", "random")]
    figure = draw_selectors(Leaderboard(rows=(make_row("a", 0), *rows)), NOTHING)
    (axes,) = figure.axes
    assert points(axes) == {"random": [0.1, 0.4], "relevance": [0.1, 0.4]}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "4"]
    left, right = (line.get_xdata() for line in axes.lines if line.get_label() in points(axes))
    assert all(-0.5 < x < y < 1.5 for x, y in zip(left, right, strict=True))
    assert [round(x) for x in left] == [round(x) for x in right] == [0, 1]
    assert len(axes.collections) == 2  # of intervals


@pytest.fixture
def store(make_store, make_cell, play):
    """Two openings: `relevance` earns 0.5 and 0 more than `random`, `diversity` −0.25 each."""
    cells = {
        selector: make_cell(selector=selector, demonstrations=4)
        for selector in ("random", "relevance", "diversity")
    }
    store = make_store(*cells.values())
    scores = {"random": (0.25, 1.0), "relevance": (0.75, 1.0), "diversity": (0.0, 0.75)}
    for selector, cell in cells.items():
        for opening, score in enumerate(scores[selector]):
            play(store, cell, opening, score)
    return store


def test_gaps_are_those_of_the_comparisons(store):
    figure = draw_selectors(make_leaderboard(store), make_comparisons(store))
    scores, gaps = figure.axes
    assert points(scores) == {"random": [0.625], "diversity": [0.375], "relevance": [0.875]}
    assert points(gaps) == {"diversity": [-0.25], "relevance": [0.25]}
    assert gaps.get_ylabel() == "gap to random"
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["random", "diversity", "relevance"]


def test_each_agent_has_panels_of_its_own_and_budgets_a_place(make_row):
    rows = [
        make_row(agent, k, 0.5, selector=s, context_tokens=tokens)
        for agent in "ab"
        for s in ("random", "relevance")
        for k, tokens in ((4, None), (7, 8000))
    ]
    figure = draw_selectors(Leaderboard(rows=tuple(rows)), NOTHING)
    assert [axes.get_title() for axes in figure.axes] == ["toy · ascii · a", "toy · ascii · b"]
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["4", "8k"]


def test_an_unfinished_cell_is_hollow(make_row):
    rows = (make_row("a", 1), make_row("a", 1, 0.2, selector="relevance", note="unfinished"))
    (axes,) = draw_selectors(Leaderboard(rows=rows), NOTHING).axes
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [list(line.get_ydata()) for line in hollow if len(line.get_ydata())] == [[0.2]]


@pytest.mark.parametrize("others", [[], ["random+noise=0.5"]])
def test_one_selector_is_no_comparison(others, make_row):
    rows = tuple(make_row("a", 1, selector=selector) for selector in ("random", *others))
    leaderboard = Leaderboard(rows=(make_row("a", 0), *rows))
    assert draw_selectors(leaderboard, NOTHING) is None
    assert "two selectors" in why_no_selectors(leaderboard)


def test_errors_alone_are_said(make_row):
    rows = tuple(make_row("a", 1, None, selector=s, errors=2) for s in ("random", "relevance"))
    (axes,) = draw_selectors(Leaderboard(rows=rows), NOTHING).axes
    assert "4 episodes in error" in axes.texts[0].get_text()


def test_many_selectors_are_shared_out_with_random_in_each_section(make_row):
    names = ["random", *(f"selector {n:02}" for n in range(20))]
    rows = tuple(make_row("a", 1, selector=name) for name in names)
    figure = draw_selectors(Leaderboard(rows=rows), NOTHING)
    drawn = [list(points(axes)) for axes in figure.axes]
    assert all(labels[0] == "random" and len(labels) <= 8 for labels in drawn)
    assert sorted({label for labels in drawn for label in labels}) == sorted(names)


def test_gaps_of_an_agent_that_looks_at_no_format_stand_in_each(make_store, make_cell, play):
    fields = {"agent": "vla/a", "format": "", "demonstrations": 4}
    cells = {make_cell(selector=name, **fields): name for name in ("random", "relevance")}
    store = make_store(*cells)
    for cell, name in cells.items():
        play(store, cell, 0, {"random": 0.25, "relevance": 0.75}[name])
    figure = draw_selectors(make_leaderboard(store), make_comparisons(store))
    assert [points(axes).get("relevance") for axes in figure.axes] == [[0.75], [0.5]] * 2
