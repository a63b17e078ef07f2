"""What plays: versions and a hash of the code, and nothing about who or where somebody is."""

import getpass
import json
import platform
import socket
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from icil.harness.folders.software import code_hash, describe_software
from icil.results import load


def test_what_plays_is_described(play):
    found = describe_software()
    assert found["icil"] == version("icil")
    assert found["python"] == platform.python_version()
    assert found["libraries"]["numpy"] == version("numpy")
    assert "pytest" not in found["libraries"]
    assert found["code"] == code_hash()
    assert len(bytes.fromhex(found["code"])) == 16


def test_nothing_tells_who_or_where_somebody_is():
    text = json.dumps(describe_software())
    for private in (str(Path.home()), str(Path(__file__).parents[3]), socket.gethostname()):
        assert private not in text
    assert getpass.getuser() not in text.split('"')


def test_a_run_names_what_played_it(play):
    summary = play(episodes=2)
    play(episodes=2)  # once more, by the same
    with closing(load(summary.folder)) as run:
        assert run.software == [describe_software()]
        assert run.store.rows("SELECT DISTINCT software FROM episodes")[1] == [(1,)]
        assert run.meta["pools"]["tic_tac_toe"]["demonstrations"] == 1000
