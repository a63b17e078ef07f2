"""Action errors, by step and by dimension."""

import pytest

from icil.results import Estimate, make_figures
from icil.results.action_errors import ActionError, ActionErrors
from icil.results.figures.actions import draw_actions, why_no_actions

CAR = "gym:MountainCarContinuous-v0"


def share(mean):
    return None if mean is None else Estimate(mean=mean, low=mean / 2, high=mean * 2)


def row(agent="model", demonstrations=4, error=0.2, dimensions=(0.1, 0.3), steps=(0.2, None), n=10):
    return ActionError(
        task="push", format="proprio", agent=agent, selector="random" if demonstrations else "",
        demonstrations=demonstrations, context_tokens=None, episodes=n, failed=0, actions=n,
        unread=n, error=share(error), dimensions=tuple(map(share, dimensions)),
        steps=tuple(map(share, steps)), counts=tuple((n, 0) if one else (0, n) for one in steps),
    )  # fmt: skip


def draw(*rows):
    return draw_actions(ActionErrors(rows=rows, unmeasured={}))


def test_errors_stand_by_step_and_by_dimension():
    figure = draw(row(steps=(0.2, None, 0.4)), row("random", 0, dimensions=(0.5, 0.7)))
    steps, dimensions = figure.axes
    lines = {line.get_label(): line for line in steps.lines}
    assert set(lines) == {"model, k = 4", "random"}
    assert lines["model, k = 4"].get_xdata().tolist() == [0, 2]
    assert lines["model, k = 4"].get_ydata().tolist() == [0.2, 0.4]
    points = {tuple(line.get_ydata()): line.get_xdata() for line in dimensions.lines}
    assert set(points) == {(0.1, 0.3), (0.5, 0.7)}
    assert all(abs(x - round(x)) < 0.5 for one in points.values() for x in one)
    assert steps.get_ylim() == dimensions.get_ylim()


def test_the_most_demonstrations_are_drawn_and_it_is_said():
    figure = draw(row(demonstrations=1), row(demonstrations=16))
    assert [line.get_label() for line in figure.axes[0].lines] == ["model, k = 16"]
    assert "the most demonstrations" in figure.texts[-1].get_text()


def test_where_nothing_was_read_there_is_nothing_to_draw():
    silent = row(error=None, dimensions=(None, None), steps=(None,))
    assert draw(silent) is None
    assert draw() is None
    found = draw(silent, row("other"))
    assert [line.get_label() for line in found.axes[0].lines] == ["other, k = 4"]
    why = why_no_actions(ActionErrors(rows=(), unmeasured={"push": "its data set is not found"}))
    assert why == "its data set is not found"


@pytest.mark.parametrize("score", [0.0, 0.5])
def test_of_vectors_that_are_never_met_the_errors_alone_are_shown(
    score, make_store, make_cell, play, answer
):
    cell = make_cell(task=CAR, format="proprio")
    meta = {"episodes": 1, "teacher_forced": True, "task": {CAR: 1}, "settings": {}}
    store = make_store(cell, experiment=meta, formats={CAR: ["proprio"]})
    steps = [answer(reply="[0.5]", action="[0.25]", agrees=False)] * 2
    play(store, cell, 0, score, steps=steps)
    figures = make_figures(store)
    assert ("actions" in figures, "scores" in figures) == (True, score > 0)
    if not score:
        assert all("to the digit" in figures.missing[name] for name in ("scores", "replay"))
        assert figures.missing["best"] == "all scores are 0"
