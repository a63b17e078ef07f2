"""What the tests of verifying share: a run with prompts and pictures, and ways to change it."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from icil.harness import Experiment, FakeModel, run
from icil.harness.imitation import measure_imitation
from icil.results import make_provenance, open_run

SAID = ("a1", "b2", "nonsense", "", "c3", "[bold]x[/bold]\x1b[31m", "a2", "c1", "up", "b3")


def say(turn):
    """Answers by the step and what was asked, rightly and wrongly."""
    return SAID[(len(turn.prompt.text()) + turn.step) % len(SAID)]


@pytest.fixture(scope="package")
def original(tmp_path_factory):
    """A run folder with everything that a run leaves; not to be changed."""
    folder = tmp_path_factory.mktemp("original") / "run"
    experiment = Experiment(
        task=("tic_tac_toe",),
        format=("rgb",),
        agent=("model", "nearest", "random", "expert"),
        demos=(0, 2),
        episodes=4,
        layout="chat",
    )
    run(experiment, folder, agents={"model": FakeModel(say)})
    measure_imitation(folder)
    with closing(open_run(folder)) as store:
        make_provenance(store).write(folder / "provenance.csv")
    return folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy of that folder, to be changed."""
    return shutil.copytree(original, tmp_path / "run")


@pytest.fixture
def change(folder):
    """Runs statements on the copy's store, as somebody might with an editor."""

    def change(*statements):
        with closing(sqlite3.connect(folder / "run.sqlite")) as db, db:
            for statement in statements:
                assert db.execute(statement).rowcount > 0

    return change


@pytest.fixture
def look(folder):
    """Returns the only row of a query on the copy's store."""

    def look(query):
        with closing(sqlite3.connect(folder / "run.sqlite")) as db:
            (row,) = db.execute(query).fetchall()
            return row

    return look
