"""The leaderboard: a row for each cell, ranked, without a number that was not measured."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest

from icil.results import (
    COLUMNS,
    Leaderboard,
    episodes_frame,
    latencies_frame,
    make_leaderboard,
    mean_score,
    normalized_score,
)

DESIGNED = (
    "rank,task,format,agent,selector,demonstrations,context_tokens,episodes,errors,score_mean,"
    "score_ci_low,score_ci_high,random_mean,expert_mean,normalized_mean,normalized_ci_low,"
    "normalized_ci_high,invalid_rate,illegal_rate,empty_rate,expert_agreement,steps_mean,"
    "input_tokens,cached_input_tokens,output_tokens,cost_usd,latency_p50_s,experiment_hash"
)


@pytest.fixture
def board(make_store, play):
    """Returns a function that makes a leaderboard of cells with their scores by opening."""

    def board(scores, *others):
        store = make_store(*scores, *others)
        for cell, of_cell in scores.items():
            for opening, score in enumerate(of_cell):
                play(store, cell, opening, score)
        return make_leaderboard(store)

    return board


@pytest.fixture
def players(make_cell):
    """The reference players, with their scores on three openings."""
    return {make_cell("random"): [0.0, -1.0, 0.25], make_cell("expert"): [1.0, 1.0, 0.75]}


def shown(leaderboard, *columns):
    return [tuple(getattr(row, column) for column in columns) for row in leaderboard.rows]


def only(leaderboard, agent):
    (row,) = (row for row in leaderboard.rows if row.agent == agent)
    return row


def fields(leaderboard):
    return list(csv.DictReader(io.StringIO(leaderboard.to_csv())))


def test_the_columns_are_those_that_people_build_on(board, make_cell):
    assert ",".join(COLUMNS) == DESIGNED
    assert board({make_cell(): [1.0]}).to_csv().splitlines()[0] == DESIGNED


def test_a_whole_row_is_known_by_hand(make_store, make_cell, players, play, answer):
    cell = make_cell("model", context_tokens=8000, demonstrations=4)
    store = make_store(cell, *players)
    for player, scores in players.items():
        for opening, score in enumerate(scores):
            play(store, player, opening, score)
    costs = {
        "input_tokens": 100,
        "cached_input_tokens": 90,
        "cache_write_tokens": 5,
        "output_tokens": 7,
        "reasoning_tokens": 3,
        "cost_usd": 0.001,
    }
    play(
        store,
        cell,
        0,
        1.0,
        steps=[
            answer(agrees=True, latency_s=1.0, **costs),
            answer("invalid", agrees=False, latency_s=2.0, **costs),
            answer("illegal", latency_s=9.0, **costs),
        ],
    )
    play(store, cell, 1, 0.0, steps=[answer("empty", agrees=False, latency_s=4.0, **costs)])
    play(store, cell, 2, status="error", steps=[answer("invalid", **costs)])
    row = only(make_leaderboard(store), "model")
    assert row.rank == 2
    assert (row.task, row.format, row.agent, row.selector) == ("toy", "ascii", "model", "random")
    assert (row.demonstrations, row.context_tokens) == (4, 8000)
    assert (row.episodes, row.errors) == (2, 1)
    assert (row.score_mean, row.score_ci_low, row.score_ci_high) == (0.5, 0.0, 1.0)
    # On openings 0 and 1, which are done.
    assert (row.random_mean, row.expert_mean) == (-0.5, 1.0)
    assert row.normalized_mean == pytest.approx(2 / 3)
    assert row.normalized_ci_low == pytest.approx(0.5)
    assert row.normalized_ci_high == pytest.approx(1.0)
    # Of the four steps of the episodes that are done.
    assert (row.invalid_rate, row.illegal_rate, row.empty_rate) == (0.25, 0.25, 0.25)
    assert row.expert_agreement == pytest.approx(1 / 3)
    assert row.steps_mean == 2.0
    # Of all five steps: they were paid for.
    assert (row.input_tokens, row.cached_input_tokens, row.output_tokens) == (500, 450, 35)
    assert row.cost_usd == pytest.approx(0.005)
    assert row.latency_p50_s == 3.0
    assert row.experiment_hash == "e" * 16


def test_intervals_are_those_of_the_scores(board, make_cell, players):
    leaderboard = board({make_cell(): [0.5, 0.25, 0.5], **players})
    row = only(leaderboard, "model")
    scores, random, expert = (np.array(s) for s in ([0.5, 0.25, 0.5], *players.values()))
    found, normalized = mean_score(scores), normalized_score(scores, random, expert)
    assert (row.score_mean, row.score_ci_low, row.score_ci_high) == (
        found.mean,
        found.low,
        found.high,
    )
    assert (row.normalized_mean, row.normalized_ci_low, row.normalized_ci_high) == (
        normalized.mean,
        normalized.low,
        normalized.high,
    )


def test_rows_are_ranked_within_task_and_format(board, make_cell):
    leaderboard = board(
        {
            make_cell("b", demonstrations=4): [0.5, 0.5],
            make_cell("a", demonstrations=1): [1.0, 0.0],
            make_cell("c"): [1.0, 1.0],
            make_cell("d"): [0.0, 0.25],
            make_cell("a", demonstrations=16): [0.25, 0.75],
            make_cell("z", format="rgb"): [-1.0],
            make_cell("z", task="walk", format="text"): [7.0],
        }
    )
    assert shown(leaderboard, "task", "format", "rank", "agent", "demonstrations") == [
        ("toy", "ascii", 1, "c", 1),
        ("toy", "ascii", 2, "a", 1),
        ("toy", "ascii", 2, "a", 16),
        ("toy", "ascii", 2, "b", 4),
        ("toy", "ascii", 5, "d", 1),
        ("toy", "rgb", 1, "z", 1),
        ("walk", "text", 1, "z", 1),
    ]


def test_players_that_look_at_nothing_stand_in_each_format_once(board, make_cell, players):
    leaderboard = board({make_cell(): [0.5, 0.5, 0.5], **players})
    assert shown(leaderboard, "format", "agent", "rank") == [
        ("ascii", "expert", 1),
        ("ascii", "model", 2),
        ("ascii", "random", 3),
        ("rgb", "expert", 1),
        ("rgb", "random", 2),
    ]
    ascii_row, rgb_row = (row for row in leaderboard.rows if row.agent == "expert")
    assert replace(ascii_row, format="rgb") == rgb_row
    assert (ascii_row.normalized_mean, ascii_row.normalized_ci_low) == (1.0, 1.0)


def test_players_that_nobody_asked_for_are_reference_alone(board, make_cell):
    leaderboard = board(
        {
            make_cell(): [0.5, 1.0],
            make_cell("random", asked=False): [0.0, 0.0],
            make_cell("expert", asked=False): [1.0, 1.0],
        }
    )
    assert shown(leaderboard, "agent", "random_mean", "expert_mean", "normalized_mean") == [
        ("model", 0.0, 1.0, 0.75)
    ]


def test_references_are_those_of_the_task(board, make_cell):
    leaderboard = board(
        {
            make_cell(task="walk", format="text"): [5.0],
            make_cell("random"): [0.0],
            make_cell("expert"): [1.0],
            make_cell("random", task="walk"): [2.0],
            make_cell("expert", task="walk"): [10.0],
        }
    )
    assert only(leaderboard, "model").normalized_mean == 0.375


def test_a_reference_that_lacks_an_opening_is_none(board, make_cell):
    leaderboard = board(
        {
            make_cell(): [0.5, 0.5],
            make_cell("random", asked=False): [0.0],
            make_cell("expert", asked=False): [1.0, 1.0],
        }
    )
    row = only(leaderboard, "model")
    assert (row.random_mean, row.expert_mean) == (None, 1.0)
    assert (row.normalized_mean, row.normalized_ci_low, row.normalized_ci_high) == (None,) * 3


def test_there_is_no_normalized_score_where_the_expert_is_no_better(board, make_cell):
    row = only(
        board({make_cell(): [0.5], make_cell("random"): [1.0], make_cell("expert"): [1.0]}), "model"
    )
    assert (row.random_mean, row.expert_mean, row.normalized_mean) == (1.0, 1.0, None)


def test_an_overlong_cell_has_no_score_and_no_rank(make_store, make_cell, play):
    long, short = make_cell("long"), make_cell("short")
    store = make_store(long, short)
    play(store, long, 0, 1.0)
    play(store, long, 1, status="overlong", steps=[])
    play(store, short, 0, -1.0)
    leaderboard = make_leaderboard(store)
    assert shown(leaderboard, "agent", "rank") == [("short", 1), ("long", None)]
    row = only(leaderboard, "long")
    assert (row.score_mean, row.score_ci_low, row.normalized_mean) == (None, None, None)
    assert (row.episodes, row.errors) == (1, 0)


def test_errors_are_counted_and_are_no_scores(make_store, make_cell, play):
    cell = make_cell()
    store = make_store(cell)
    play(store, cell, 0, 1.0)
    for opening in (1, 2):
        play(store, cell, opening, status="error")
    store.begin_episode(1, 3)
    row = only(make_leaderboard(store), "model")
    assert (row.episodes, row.errors, row.score_mean) == (1, 2, 1.0)
    assert (row.score_ci_low, row.score_ci_high) == (None, None)


@pytest.mark.parametrize("status", ["error", "overlong", "running"])
def test_a_cell_without_a_score_leaves_its_fields_empty(make_store, make_cell, play, status):
    cell, other = make_cell("model", selector=""), make_cell("other")
    store = make_store(cell, other)
    for opening in range(3):
        play(store, cell, opening, status=status, steps=[])
        play(store, other, opening, 0.5)
    leaderboard = make_leaderboard(store)
    assert shown(leaderboard, "agent", "rank") == [("other", 1), ("model", None)]
    last = fields(leaderboard)[1]
    filled = {name for name, value in last.items() if value}
    assert filled == {
        "task",
        "format",
        "agent",
        "demonstrations",
        "episodes",
        "errors",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "cost_usd",
        "experiment_hash",
    }
    assert (last["episodes"], last["errors"]) == ("0", "3" if status == "error" else "0")


def test_a_cost_that_is_not_known_is_empty_and_none_is_zero(make_store, make_cell, play, answer):
    cells = {
        make_cell("free"): [0.0, 0.0],
        make_cell("dear"): [0.5, 0.25],
        make_cell("who knows"): [0.5, None],
    }
    store = make_store(*cells)
    for cell, costs in cells.items():
        play(store, cell, 0, 1.0, steps=[answer(cost_usd=cost) for cost in costs])
    costs = {row["agent"]: row["cost_usd"] for row in fields(make_leaderboard(store))}
    assert costs == {"free": "0", "dear": "0.75", "who knows": ""}


def test_agreement_is_of_the_steps_where_it_is_known(make_store, make_cell, play, answer):
    cells = [make_cell(agent) for agent in "abc"]
    store = make_store(*cells)
    play(store, cells[0], 0, 1.0, steps=[answer(), answer()])
    play(store, cells[1], 0, 1.0, steps=[answer(agrees=True), answer(), answer(agrees=False)])
    play(store, cells[1], 1, 1.0, steps=[answer()])
    play(store, cells[2], 0, 1.0, steps=[answer(agrees=False)])
    found = {row["agent"]: row["expert_agreement"] for row in fields(make_leaderboard(store))}
    assert found == {"a": "", "b": "0.5", "c": "0"}


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (1.0, "1"),
        (0.0, "0"),
        (-0.5, "-0.5"),
        (1 / 3, "0.333333"),
        (123456.789, "123457"),
        (1234567.0, "1.23457e+06"),
        (1e-7, "1e-07"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_numbers_have_six_significant_digits(board, make_cell, score, text):
    assert fields(board({make_cell(): [score]}))[0]["score_mean"] == text


def test_counts_are_written_whole(make_store, make_cell, play, answer):
    cell = make_cell(demonstrations=512, context_tokens=1_048_576)
    store = make_store(cell)
    play(store, cell, 0, 1.0, steps=[answer(input_tokens=1_234_567_890)])
    (row,) = fields(make_leaderboard(store))
    assert row["input_tokens"] == "1234567890"
    assert (row["demonstrations"], row["context_tokens"]) == ("512", "1048576")


def test_context_tokens_are_empty_where_none_were_set(board, make_cell):
    leaderboard = board({make_cell("a"): [1.0], make_cell("b", context_tokens=8192): [0.0]})
    assert [row["context_tokens"] for row in fields(leaderboard)] == ["", "8192"]


def test_names_are_quoted_as_csv_wants_it(board, make_cell):
    name = 'local/a,"b"@http://host:1'
    assert fields(board({make_cell(name): [1.0]}))[0]["agent"] == name


def test_nothing_is_ever_not_a_number(make_store, make_cell, players, play, answer):
    cells = [make_cell(a, context_tokens=n) for a, n in (("a", None), ("b", 9), ("c", None))]
    store = make_store(*cells, *players)
    play(store, cells[0], 0, 1.0, steps=[answer(agrees=True, latency_s=0.5)])
    play(store, cells[1], 0, status="error", steps=[])
    play(store, cells[2], 0, status="overlong", steps=[answer(cost_usd=None)])
    for player in players:
        play(store, player, 0, 0.0)
    text = make_leaderboard(store).to_csv()
    assert not re.search(r"\b(nan|inf|none|null|nat)\b", text, re.IGNORECASE)
    assert len(text.splitlines()) == 1 + 3 + 4


def test_a_cell_not_begun_has_a_row_without_figures(make_store, make_cell):
    """So that an interrupted run does not look complete."""
    (row,) = make_leaderboard(make_store(make_cell())).rows
    assert (row.episodes, row.errors, row.rank, row.score_mean) == (0, 0, None, None)


def test_the_same_run_gives_the_same_csv(make_store, make_cell, players, play, tmp_path):
    """Whatever order its episodes came in."""
    cells = {make_cell(): [0.5, 0.25, 1.0], **players}
    texts = []
    for order in (1, -1):
        store = make_store(*cells, path=tmp_path / f"{order}.sqlite")
        for cell, scores in list(cells.items())[::order]:
            for opening, score in list(enumerate(scores))[::order]:
                play(store, cell, opening, score)
        texts.append(make_leaderboard(store).to_csv())
    assert texts[0] == texts[1]


def test_a_csv_file_is_replaced_whole(board, make_cell, tmp_path):
    leaderboard, path = board({make_cell(): [1.0]}), tmp_path / "leaderboard.csv"
    leaderboard.write(path)
    assert path.read_bytes() == leaderboard.to_csv().encode()
    with path.open(encoding="utf-8") as reading:
        Leaderboard(rows=()).write(path)
        # Who has it open reads the old one to the end.
        assert reading.read() == leaderboard.to_csv()
    assert path.read_text(encoding="utf-8") == DESIGNED + "\n"
    assert sorted(p.suffix for p in tmp_path.iterdir() if "csv" in p.name) == [".csv"]


def test_a_csv_file_that_cannot_be_written_leaves_the_old_one(board, make_cell, tmp_path):
    leaderboard, path = board({make_cell(): [1.0]}), tmp_path / "leaderboard.csv"
    path.write_text("old", encoding="utf-8")
    (tmp_path / "leaderboard.csv.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        leaderboard.write(path)
    assert path.read_text(encoding="utf-8") == "old"


def test_frames_have_a_row_for_each_episode_and_call(make_store, make_cell, play, answer):
    cell = make_cell()
    store = make_store(cell)
    play(store, cell, 1, status="error", steps=[answer("empty", latency_s=3.0, cost_usd=None)])
    play(store, cell, 0, 0.5, steps=[answer(agrees=True, latency_s=1.0), answer("invalid")])
    frame = episodes_frame(store)
    columns = ["opening", "status", "steps", "invalid", "illegal", "empty", "unpriced", "message"]
    assert frame[columns].to_numpy().tolist()[0][:7] == [0, "done", 2, 1, 0, 0, 0]
    assert frame[columns].to_numpy().tolist()[1] == [1, "error", 1, 0, 0, 1, 1, "it went wrong"]
    assert frame["score"].isna().tolist() == [False, True]
    assert frame["cell_hash"].tolist() == [cell.hash] * 2
    assert latencies_frame(store).to_numpy().tolist() == [[1, 1.0], [1, 3.0]]
