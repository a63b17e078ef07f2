"""Names in tables: cut where they are long, and still told apart."""

from io import StringIO

import pytest
from rich.console import Console

from icil.harness.cli.tables import abbreviated, filled, print_leaderboard

POLICIES = [f"vla/openpi@ws://127.0.0.1:{port}" for port in (8201, 8202)]


def test_names_are_cut_in_the_middle():
    assert abbreviated(["nearest", POLICIES[0]], 28) == ["nearest", "vla/openpi@ws:…27.0.0.1:8201"]
    assert len(abbreviated(POLICIES, 28)[1]) == 28


@pytest.mark.parametrize("width", [3, 8, 28])
def test_names_that_differ_look_different(width):
    names = [*POLICIES, "local/a@http://h/v1 [x=1]", "local/b@http://h/v1 [x=1]", "", "local/a@h"]
    found = abbreviated(names, width)
    assert len(set(found)) == len(names)
    assert abbreviated(names + names, width) == found + found


SWEPT = [f"anthropic/claude-sonnet-4-5 [layout={one}, legal_actions]" for one in ("chat", "single")]


def test_options_in_brackets_are_kept_while_there_is_room():
    assert abbreviated(SWEPT, 80) == SWEPT
    assert abbreviated(SWEPT, 43) == [
        "anthrop…et-4-5 [layout=chat, legal_actions]",
        "anthro…t-4-5 [layout=single, legal_actions]",
    ]
    assert len(set(abbreviated(SWEPT, 10))) == 2


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_names_take_the_room_that_a_console_has(width):
    headings = {"agent": "left", "score": "right"}
    console = Console(file=StringIO(), width=width)
    console.print(filled(headings, ([name, "0.12345"] for name in SWEPT), console))
    lines = [line.strip() for line in console.file.getvalue().splitlines() if "0.12345" in line]
    assert len(set(lines)) == 2
    assert max(map(len, lines)) <= width
    shown = [line.removesuffix("0.12345").rstrip() for line in lines]
    assert (shown == SWEPT) is (width >= 80)


@pytest.mark.parametrize(("sets", "told"), [(1, "one set of"), (3, "3 sets of")])
def test_sets_of_demonstrations_are_counted(sets, told, play):
    console = Console(file=StringIO(), width=200)
    print_leaderboard(play(demos=(1,), demo_sets=sets).leaderboard, console)
    assert f"; {told} demonstrations for all episodes" in console.file.getvalue()


def test_a_table_shows_which_policy_is_which():
    headings = {"agent": "left", "n": "right"}
    console = Console(file=StringIO(), width=32)
    console.print(filled(headings, ([name, "3"] for name in POLICIES), console))
    lines = [line for line in console.file.getvalue().splitlines() if "vla" in line]
    assert max(map(len, lines)) <= 32
    assert all("…" in line for line in lines)
    assert [line.split()[0].rpartition(":")[2] for line in lines] == ["8201", "8202"]
