"""Gaps between cells that differ in their demonstrations alone, known by hand."""

import pytest

from icil.results import make_gaps

HEADER = (
    "task,format,agent,selector,demonstrations,context_tokens,control,openings,score_mean,"
    "control_mean,gap,gap_ci_low,gap_ci_high"
)


@pytest.fixture
def gaps(make_store, play):
    """Returns a function that makes the gaps of cells with their scores by opening."""

    def gaps(scores):
        store = make_store(*scores)
        for cell, of_cell in scores.items():
            for opening, score in of_cell.items():
                play(store, cell, opening, score)
        return make_gaps(store)

    return gaps


def zero(make_cell, agent="model", **changes):
    return make_cell(agent, selector="", demonstrations=0, **changes)


def pairs(found):
    return [(row.selector, row.demonstrations, row.control, row.gap) for row in found.rows]


def test_a_row_is_known_by_hand(gaps, make_cell):
    found = gaps(
        {
            make_cell(demonstrations=4): {0: 1.0, 1: 0.5, 2: 9.0},
            make_cell(demonstrations=4, selector="random+noise=0.5"): {0: 0.0, 1: 0.5, 7: 9.0},
        }
    )
    assert found.to_csv().splitlines() == [
        HEADER,
        "toy,ascii,model,random,4,,noise=0.5,2,0.75,0.25,0.5,0,1",
    ]


def test_a_true_cell_is_held_against_all_that_differs_by_its_demonstrations(gaps, make_cell):
    found = gaps(
        {
            make_cell(): {0: 1.0},
            make_cell(selector="random+noise=0.5"): {0: 0.5},
            make_cell(selector="random+noise=1+shuffle_order"): {0: 0.25},
            zero(make_cell): {0: 0.125},
        }
    )
    assert pairs(found) == [
        ("random", 1, "0 demonstrations", 0.875),
        ("random", 1, "noise=0.5", 0.5),
        ("random", 1, "noise=1+shuffle_order", 0.75),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"demonstrations": 2},
        {"selector": "relevance+noise=1"},
        {"format": "rgb"},
        {"task": "walk", "format": "text"},
        {"agent": "other"},
        {"options": {"reasoning": True}},
        {"context_tokens": 8000},
        {"asked": False},
    ],
)
def test_a_cell_that_differs_otherwise_is_no_control(gaps, make_cell, changes):
    control = {"selector": "random+noise=1", **changes}
    assert pairs(gaps({make_cell(): {0: 1.0}, make_cell(**control): {0: 0.0}})) == []


@pytest.mark.parametrize(
    "changes", [{"format": "rgb"}, {"agent": "other"}, {"options": {"reasoning": True}}]
)
def test_another_players_zero_is_no_control(gaps, make_cell, changes):
    assert pairs(gaps({make_cell(): {0: 1.0}, zero(make_cell, **changes): {0: 0.0}})) == []


def test_budgets_are_held_against_their_own_controls_and_against_none(gaps, make_cell):
    budget = {"demonstrations": 0, "context_tokens": 8000}
    found = gaps(
        {
            make_cell(**budget): {0: 1.0},
            make_cell(selector="random+noise=1", **budget): {0: 0.5},
            make_cell(selector="random+noise=1", **{**budget, "context_tokens": 9000}): {0: 0.5},
            zero(make_cell): {0: 0.0},
        }
    )
    assert [(row.context_tokens, row.control, row.gap) for row in found.rows] == [
        (8000, "0 demonstrations", 1.0),
        (8000, "noise=1", 0.5),
    ]


def test_where_nothing_is_chosen_a_control_stands_alone(gaps, make_cell):
    found = gaps(
        {make_cell(selector=""): {0: 1.0}, make_cell(selector="+shuffle_actions"): {0: 0.0}}
    )
    assert pairs(found) == [("", 1, "shuffle_actions", 1.0)]


def test_who_is_shown_nothing_but_the_answer_has_no_gap(gaps, make_cell):
    """The one demonstration of a teacher-forced episode is that episode."""
    scores = {}
    for number, selector in ((1, ""), (4, "random")):
        options = {"teacher_forced": True}
        shown = {"demonstrations": number, "options": options}
        scores[make_cell(selector=selector, **shown)] = {0: 1.0}
        scores[make_cell(selector=f"{selector}+shuffle_actions", **shown)] = {0: 0.0}
    scores[zero(make_cell, options={"teacher_forced": True})] = {0: 0.5}
    assert pairs(gaps(scores)) == [
        ("random", 4, "0 demonstrations", 0.5),
        ("random", 4, "shuffle_actions", 1.0),
    ]


def test_cells_without_a_shared_opening_or_a_score_have_no_gap(make_store, make_cell, play):
    true, apart = make_cell(), make_cell(selector="random+noise=1")
    overlong = make_cell(selector="random+noise=0.5")
    store = make_store(true, apart, overlong)
    play(store, true, 0, 1.0)
    play(store, apart, 1, 1.0)
    play(store, overlong, 0, 1.0)
    play(store, overlong, 1, status="overlong")
    assert make_gaps(store).to_csv() == HEADER + "\n"


def test_errors_are_not_scores(make_store, make_cell, play):
    true, control = make_cell(), make_cell(selector="random+noise=1")
    store = make_store(true, control)
    for opening, score in enumerate((1.0, 0.0)):
        play(store, true, opening, score)
    play(store, control, 0, 0.0)
    play(store, control, 1, status="error")
    (row,) = make_gaps(store).rows
    assert (row.openings, row.gap, row.gap_ci_low) == (1, 1.0, None)


def test_the_file_is_written_whole(gaps, make_cell, tmp_path):
    found = gaps({make_cell(): {0: 1.0}, zero(make_cell): {0: 0.0}})
    path = tmp_path / "gaps.csv"
    path.write_text("what was there before, and longer" * 9)
    found.write(path)
    assert path.read_text() == found.to_csv()
    assert [one.name for one in tmp_path.glob("gaps*")] == ["gaps.csv"]


def test_gaps_of_an_agent_that_looks_at_no_format_stand_in_each(make_store, make_cell, play):
    shown = make_cell("vla/a", format="", demonstrations=4)
    bare = make_cell("vla/a", format="", selector="", demonstrations=0)
    store = make_store(shown, bare)
    play(store, shown, 0, 1.0)
    play(store, bare, 0, 0.25)
    found = make_gaps(store).rows
    assert [(gap.format, gap.control, gap.gap) for gap in found] == [
        ("ascii", "0 demonstrations", 0.75),
        ("rgb", "0 demonstrations", 0.75),
    ]
