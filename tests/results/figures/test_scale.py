"""The axis of how much is shown."""

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from icil.results.figures.scale import Size, count_tokens, places, set_ticks


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(500, "500"), (1000, "1k"), (8192, "8.192k"), (32000, "32k"), (1_500_000, "1.5M")],
)
def test_tokens_are_said_in_short(tokens, said):
    assert count_tokens(tokens) == said


def test_numbers_come_before_budgets():
    sizes = [Size(1000, 0), Size(0, 512), Size(32000, 0), Size(0, 0)]
    labels = [size.label for size in sorted(sizes)]
    assert labels == ["k = 0", "k = 512", "1k tokens", "32k tokens"]


def test_nothing_is_a_step_before_the_fewest():
    assert places([0, 1, 2, 512]) == {0: -1, 1: 0, 2: 1, 512: 9}
    assert places([0, 1024, 4096]) == {0: 9, 1024: 10, 4096: 12}
    assert places([0]) == {0: -1}


@pytest.mark.parametrize("count", [1, 2, 11, 40, 200])
def test_labels_do_not_overlap_and_the_ends_are_kept(count):
    figure = Figure(figsize=(4, 2))
    axes = figure.add_axes((0.1, 0.2, 0.8, 0.7))
    ticks = {float(n): str(1000 + n) for n in range(count)}
    axes.plot(list(ticks), [0] * count)
    set_ticks(axes, ticks, 3.2)
    figure.draw_without_rendering()
    shown = [label for label in axes.get_xticklabels() if label.get_text()]
    boxes = [label.get_window_extent() for label in shown]
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert shown[0].get_text() == "1000"
    assert shown[-1].get_text() == str(1000 + count - 1)
    assert len(axes.get_xticks()) == count
