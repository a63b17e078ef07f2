"""How far actions of teacher-forced episodes are from the demonstrated ones."""

import io

import pytest
from rich.console import Console

from icil.harness.cli.action_errors_table import print_action_errors
from icil.results import Answer
from icil.results.action_errors import ACTION_ERRORS, COLUMNS, make_action_errors
from icil.results.verifying import check_files

CAR = "gym:MountainCarContinuous-v0"
GONE = "recorded:robot_set"
META = {
    "experiment": {
        "episodes": 1,
        "teacher_forced": True,
        "set": {f"{CAR}.horizon": 5},
        "task": {CAR: 1},
        "settings": {f"task {CAR}": {"horizon": 5}},
    },
    "formats": {CAR: ["proprio"], GONE: ["proprio"], "tic_tac_toe": ["ascii", "rgb"]},
}


@pytest.fixture
def cell(make_cell):
    return make_cell(task=CAR, format="proprio")


def step(reply, action="[0.5]", status="ok"):
    """One whose demonstrated action is a number from -1 to 1."""
    return Answer(reply=reply, status=status, action=action, agrees=reply == action)


def measure(store):
    (found,) = make_action_errors(store).rows
    return found


def test_errors_are_in_parts_of_the_range(make_store, cell, play):
    store = make_store(cell, **META)
    play(store, cell, 0, 0.0, steps=[step("[0.5]"), step("[-0.5]")])
    play(store, cell, 1, 0.0, steps=[step("[0.1]"), step("[1.0]", action="[-1.0]")])
    found = measure(store)
    assert (found.task, found.format, found.agent) == (CAR, "proprio", "model")
    assert (found.episodes, found.actions, found.unread) == (2, 4, 0)
    assert found.error.mean == pytest.approx((0 + 0.5 + 0.2 + 1) / 4)
    assert found.error.low < found.error.mean < found.error.high
    (only,) = found.dimensions
    assert only == found.error
    assert [one.mean for one in found.steps] == pytest.approx([0.1, 0.75])


def test_of_a_chunk_the_first_action_counts_and_of_reasons_the_last_list(make_store, cell, play):
    store = make_store(cell, **META)
    replies = ["[[0.3], [9], [9]]", "It was [0.9] then.\nAction: [0.1]", " [0.5]\n"]
    play(store, cell, 0, 0.0, steps=[step(one) for one in replies])
    assert [one.mean for one in measure(store).steps] == pytest.approx([0.1, 0.2, 0])


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("", "empty"),
        ("[0.1]", "invalid"),
        ("[9]", "invalid"),
        ("[[9.0]]", "ok"),
        ("[[0.1]]", "invalid"),
        ("[[]]", "ok"),
        ('["a"]', "ok"),
        ("[" * 100_000, "ok"),
        ("nothing", "ok"),
    ],
)
def test_a_reply_without_an_action_has_no_error_and_is_counted(
    reply, status, make_store, cell, play
):
    store = make_store(cell, **META)
    play(store, cell, 0, 0.0, steps=[step(reply, status=status), step("[0.3]")])
    found = measure(store)
    assert (found.actions, found.unread) == (1, 1)
    assert found.counts == ((0, 1), (1, 0))
    assert found.steps[0] is None
    assert found.error.mean == pytest.approx(0.1)


def test_only_finished_episodes_count(make_store, cell, play):
    store = make_store(cell, **META)
    play(store, cell, 0, 0.0, steps=[step("[0.3]")])
    play(store, cell, 1, status="error", steps=[step("[-1.0]")])
    assert (measure(store).episodes, measure(store).error.mean) == (1, pytest.approx(0.1))


def test_the_least_error_comes_first_and_agents_that_all_failed_are_there(
    make_store, make_cell, play
):
    far, near, failed, unbegun = (
        make_cell(agent, task=CAR, format="proprio") for agent in ("a", "b", "c", "d")
    )
    store = make_store(failed, far, near, unbegun, **META)
    play(store, failed, 0, status="error", steps=[step("[0.3]")])
    play(store, failed, 1, status="overlong", steps=[])
    play(store, far, 0, 0.0, steps=[step("[-0.5]")])
    play(store, near, 0, 0.0, steps=[step("[0.4]")])
    play(store, near, 1, status="error")
    rows = make_action_errors(store).rows
    assert [(row.agent, row.episodes, row.failed) for row in rows] == [
        ("b", 1, 1),
        ("a", 1, 0),
        ("c", 0, 2),
    ]
    last = rows[-1]
    assert (last.error, last.dimensions, last.steps) == (None, (None,), ())


def test_what_a_recording_has_for_bounds_is_in_the_store(make_store, make_cell, play):
    one = make_cell(task=GONE, format="proprio")
    bounds = {GONE: {"low": [-1.0, 0.0], "high": [1.0, 4.0]}}
    store = make_store(one, **META, bounds=bounds)
    said = [step("[0.5, 1]", "[0, 0]"), step("[0.5, 9]", "[0, 0]"), step("[[1, 4], []]", "[-1, 0]")]
    play(store, one, 0, 0.0, steps=said)
    found = measure(store)
    assert [part.mean for part in found.dimensions] == pytest.approx([0.625, 0.625])
    assert (found.actions, found.unread) == (2, 1)


def test_rows_that_cannot_be_made_here_are_no_faults(make_store, make_cell, cell, play, tmp_path):
    gone = make_cell(task=GONE, format="proprio")
    bounds = {GONE: {"low": [-1.0], "high": [1.0]}}
    there = make_store(gone, cell, path=tmp_path / "there.sqlite", **META, bounds=bounds)
    here = make_store(gone, cell, **META)
    for store in (there, here):
        for one in (gone, cell):
            play(store, one, 0, 0.0, steps=[step("[0.3]")])
    make_action_errors(there).write(tmp_path / ACTION_ERRORS)
    found = check_files(here, tmp_path, finished=True)
    assert found.faults == []
    assert found.unchecked == [f"action_errors.csv: the rows of {GONE}, which cannot be made here"]
    path = tmp_path / ACTION_ERRORS
    path.write_text(path.read_text("utf-8").replace(",0.1,", ",0.2,"), "utf-8")
    changed = check_files(here, tmp_path, finished=True).faults
    assert {(fault.column, fault.right) for fault in changed} == {("error_mean", "'0.1'")}
    assert all(fault.cell.startswith(CAR) for fault in changed)


def test_an_agent_that_looks_at_nothing_stands_in_each_format(make_store, make_cell, play):
    blind = make_cell("random", task=CAR)
    store = make_store(blind, **META | {"formats": {CAR: ["proprio", "rgb"]}})
    play(store, blind, 0, 0.0, steps=[step("[0.3]")])
    assert [row.format for row in make_action_errors(store).rows] == ["proprio", "rgb"]


def test_there_are_none_of_words_of_other_runs_and_of_tasks_that_are_gone_or_changed(
    make_store, make_cell, play, cell, tmp_path
):
    words = make_cell(task="tic_tac_toe")
    gone = make_cell(task="recorded:/nowhere", format="proprio")
    store = make_store(words, gone, **META)
    play(store, words, 0, 0.0)
    play(store, gone, 0, 0.0)
    found = make_action_errors(store)
    assert found.rows == ()
    assert list(found.unmeasured) == ["recorded:/nowhere"]
    assert "no folder /nowhere; put it there again" in found.unmeasured["recorded:/nowhere"]
    other = {**META["experiment"], "task": {CAR: 0}}
    changed = make_store(cell, path=tmp_path / "changed.sqlite", **META | {"experiment": other})
    play(changed, cell, 0, 0.0)
    assert "not of the version" in make_action_errors(changed).unmeasured[CAR]
    free = make_store(cell, path=tmp_path / "free.sqlite", **META | {"experiment": {}})
    play(free, cell, 0, 0.0, steps=[step("[0.3]")])
    assert make_action_errors(free).rows == ()


def test_the_file_has_a_row_for_all_for_each_dimension_and_for_each_step(
    make_store, cell, play, tmp_path
):
    store = make_store(cell, **META)
    play(store, cell, 0, 0.0, steps=[step("[0.3]"), step("?", status="invalid")])
    found = make_action_errors(store)
    found.write(tmp_path / "action_errors.csv")
    head, *lines = (tmp_path / "action_errors.csv").read_text("utf-8").splitlines()
    assert head == ",".join(COLUMNS)
    named = f"{CAR},proprio,model,random,1,"
    assert lines == [
        f"{named},,1,0,1,1,0.1,,,",
        f"{named}0,,1,0,1,1,0.1,,,",
        f"{named},0,1,0,1,0,0.1,,,",
        f"{named},1,1,0,0,1,,,,",
    ]


def test_the_table_names_what_was_measured(make_store, make_cell, cell, play, tmp_path):
    store = make_store(cell, **META)
    play(store, cell, 0, 0.0, steps=[step("[0.3]")])
    play(store, cell, 1, 0.0, steps=[step("[0.1]"), step("?", status="invalid")])
    out = io.StringIO()
    print_action_errors(store, Console(file=out, width=120))
    assert f"{CAR} · proprio" in out.getvalue()
    assert "0.1500 [0.100, 0.200]" in out.getvalue()
    words = make_cell(task="tic_tac_toe")
    other = make_store(words, path=tmp_path / "other.sqlite", **META)
    print_action_errors(other, Console(file=out, width=120))
    assert "no action errors" in out.getvalue()
