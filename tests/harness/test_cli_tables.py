"""Names in tables: cut where they are long, and still told apart."""

import pytest

from icil.harness.cli.tables import abbreviated, filled, make_console

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


def test_a_table_shows_which_policy_is_which(capsys):
    headings = {"agent": "left", "n": "right"}
    make_console().print(filled(headings, ([name, "3"] for name in POLICIES)))
    lines = [line for line in capsys.readouterr().out.splitlines() if "vla" in line]
    assert [line.split() for line in lines] == [
        ["vla/openpi@ws:…27.0.0.1:8201", "3"],
        ["vla/openpi@ws:…27.0.0.1:8202", "3"],
    ]
