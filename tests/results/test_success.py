"""In how many episodes the goal was met, known by hand."""

import io

import pytest
from rich.console import Console

from icil.harness.cli.success_table import print_success
from icil.harness.cli.tables import print_leaderboard, print_overall
from icil.results import (
    Answer,
    Played,
    Usage,
    make_leaderboard,
    make_overall,
    make_success,
    write_results,
)
from icil.results.success import SUCCESS
from icil.results.verifying import check_files

HEADER = (
    "task,format,agent,selector,demonstrations,context_tokens,episodes,"
    "success_any,success_any_ci_low,success_any_ci_high,"
    "success_last,success_last_ci_low,success_last_ci_high,"
    "calls,latency_mean_s,latency_p50_s,latency_p95_s"
)


def play(store, cell, opening, met, *, latencies=(), status="done"):
    """Writes an episode with the goal met, or not, after each of its steps."""
    episode = store.begin_episode(store.cells()[cell.hash], opening)
    last = None
    for step, success in enumerate(met):
        wait = latencies[step] if step < len(latencies) else None
        answer = Answer(reply="b2", status="ok", action="b2", usage=Usage(latency_s=wait))
        previous = None if last is None else last[1]
        store.add_step(episode, step, answer, previous=previous)
        last = step, Played(reward=0.0, success=success)
    done = {"score": float(any(met))} if status == "done" else {"message": "it went wrong"}
    store.end_episode(episode, status, last=last, **done)
    return episode


def printed(store):
    console = Console(file=io.StringIO(), width=160)
    print_success(store, console)
    return console.file.getvalue()


@pytest.fixture
def store(make_store, make_cell):
    """A policy that met its goal in two episodes of four, in one of them at the end."""
    cell = make_cell("vla/pi0", format="", selector="", demonstrations=0)
    store = make_store(cell, experiment={"episodes": 5})
    play(store, cell, 0, [False, True, False], latencies=(1.0, None, 2.0))
    play(store, cell, 1, [False, True], latencies=(3.0,))
    play(store, cell, 2, [False])
    play(store, cell, 3, [False])
    play(store, cell, 4, [True], status="error", latencies=(6.0,))
    return store


def test_a_row_is_known_by_hand(store):
    """Wilson: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), here with n = 4, z = 1.96."""
    assert make_success(store).to_csv().splitlines() == [
        HEADER,
        "toy,ascii,vla/pi0,,0,,4,0.5,0.150039,0.849961,0.25,0.0455873,0.699358,4,3,2.5,5.55",
        "toy,rgb,vla/pi0,,0,,4,0.5,0.150039,0.849961,0.25,0.0455873,0.699358,4,3,2.5,5.55",
    ]


def test_shares_of_nought_and_one_have_intervals_of_some_width(make_store, make_cell):
    cells = make_cell("never"), make_cell("always")
    store = make_store(*cells)
    play(store, cells[0], 0, [False])
    play(store, cells[1], 0, [True])
    always, never = make_success(store).rows
    assert (never.success_any, never.success_any_ci_low) == (0, 0)
    assert never.success_any_ci_high == pytest.approx(0.793, abs=1e-3)
    assert (always.success_last, always.success_last_ci_high) == (1, 1)
    assert (never.calls, never.latency_mean_s, never.latency_p95_s) == (0, None, None)


def test_steps_of_an_attempt_that_was_given_up_do_not_count(make_store, make_cell):
    cell = make_cell()
    store = make_store(cell)
    play(store, cell, 0, [True, True], status="error", latencies=(1.0, 1.0))
    again = store.begin_episode(store.cells()[cell.hash], 0, restart=True)
    store.add_step(again, 0, Answer(reply="b2", status="ok", action="b2", usage=Usage()))
    store.end_episode(again, "done", score=0.0, last=(0, Played(reward=0.0, success=False)))
    (row,) = make_success(store).rows
    assert (row.episodes, row.success_any, row.calls) == (1, 0, 2)


def test_without_a_goal_without_a_score_or_of_a_demonstration_there_is_none(
    make_store, make_cell, tmp_path
):
    aimless, long, unasked = make_cell("aimless"), make_cell("long"), make_cell(asked=False)
    store = make_store(aimless, long, unasked)
    play(store, aimless, 0, [None, None])
    play(store, long, 0, [True])
    play(store, long, 1, [], status="overlong")
    play(store, unasked, 0, [True])
    assert make_success(store).rows == ()
    forced = make_store(
        unasked, path=tmp_path / "forced.sqlite", experiment={"teacher_forced": True, "episodes": 1}
    )
    play(forced, unasked, 0, [True])
    assert make_success(forced).rows == ()
    assert "no success to show" in printed(store)


def test_it_is_printed_for_each_format(store):
    text = printed(store)
    assert "toy · ascii" in text
    assert "toy · rgb" in text
    assert "50% [15%, 85%]" in text
    assert "5.550 s" in text


def test_the_file_is_written_where_there_is_something_to_say_and_verified(
    store, make_store, make_cell, tmp_path
):
    folder = store.path.parent
    write_results(store, folder)
    assert (folder / SUCCESS).read_text() == make_success(store).to_csv()
    assert check_files(store, folder, finished=True).faults == []
    text = (folder / SUCCESS).read_text().replace(",0.5,", ",0.75,")
    (folder / SUCCESS).write_text(text)
    faults = check_files(store, folder, finished=True).faults
    assert {(fault.column, fault.right) for fault in faults} == {("success_any", "'0.5'")}
    bare = tmp_path / "bare"
    bare.mkdir()
    write_results(make_store(make_cell(), path=bare / "run.sqlite"), bare)
    assert not (bare / SUCCESS).exists()


def test_names_of_others_do_not_reach_the_terminal_as_they_are(make_store, make_cell):
    """A run folder may come from anybody."""
    cell = make_cell("\x1b[2J[red]model")
    store = make_store(cell)
    play(store, cell, 0, [True])
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system=None)
    print_success(store, console)
    print_leaderboard(make_leaderboard(store), console)
    print_overall(make_overall(store), console)
    text = console.file.getvalue()
    assert text.count("\\x1b[2J[red]model") == 3 + 1  # over all, once for each number
    assert "\x1b[2J" not in text
