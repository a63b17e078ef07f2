"""Published figures: marked, beside the measured ones, and never among them."""

import pytest

from icil.results import make_leaderboard, published
from icil.results.exports import with_published
from icil.results.published import LMACT

PLACES = {
    ("atari/phoenix", "rgb"),
    ("chess", "ascii"),
    ("chess", "fen"),
    ("chess", "pgn"),
    ("chess", "rgb"),
    ("cheetah", "proprio"),
    ("crossword", "ascii"),
    ("gridworld", "ascii"),
    ("gridworld", "coords"),
    ("gridworld", "rgb"),
    ("tic_tac_toe", "ascii"),
    ("tic_tac_toe", "rgb"),
}


def test_every_task_of_the_paper_is_there_in_each_format():
    assert {(row.task, row.format) for row in published()} == PLACES
    assert {(row.task, row.format) for row in published() if row.teacher_forced} == PLACES
    assert {row.source for row in published()} == {LMACT}


def test_figures_are_those_of_the_paper():
    found = {
        (row.task, row.format, row.agent, row.demonstrations): row
        for row in published()
        if not row.teacher_forced
    }
    o1 = found["gridworld", "coords", "o1", 2]
    assert (o1.score_mean, o1.illegal_rate) == (0.99, pytest.approx(0.0632, abs=1e-4))
    assert found["atari/phoenix", "rgb", "Expert (Gato Data)", None].score_mean == 459.9232
    assert found["atari/phoenix", "rgb", "Gemini 1.5 Flash", 0].illegal_rate == pytest.approx(
        0.011537
    )
    assert str(found["crossword", "ascii", "Random Baseline", None].score_mean) == "0.0"
    assert len(found) == sum(not row.teacher_forced for row in published())


def test_rates_are_shares():
    rates = [row.illegal_rate for row in published() if row.illegal_rate is not None]
    assert min(rates) == 0.0
    assert 0.9 < max(rates) <= 1.0
    forced = [row.score_mean for row in published() if row.teacher_forced]
    assert 0 <= min(forced) < max(forced) <= 1


@pytest.fixture
def board(make_store, make_cell, play):
    """Returns a function that makes a leaderboard of gridworld, ascii, with 1 and 4."""

    def board(**experiment):
        cells = [make_cell(task="gridworld", demonstrations=number) for number in (1, 4)]
        store = make_store(
            *cells,
            formats={"gridworld": ["ascii"]},
            experiment={"episodes": 1, **experiment},
        )
        for cell in cells:
            play(store, cell, 0, 1.0)
        return make_leaderboard(store)

    return board


def test_beside_a_board_stand_those_of_its_tasks_formats_and_numbers(board):
    shown = with_published(board())
    assert {(row.task, row.format) for row in shown.published} == {("gridworld", "ascii")}
    assert {row.demonstrations for row in shown.published} == {None, 1, 4}
    assert not any(row.teacher_forced for row in shown.published)
    assert {row.agent for row in shown.board.rows} == {"model"}


def test_beside_a_teacher_forced_board_stands_the_replay_control(board):
    shown = with_published(board(teacher_forced=True))
    assert {row.demonstrations for row in shown.published} == {1}
    assert all(row.teacher_forced for row in shown.published)
