"""Runs that are evaluated from the openings of a pool."""

import json

import pandas as pd
import pytest

from icil.results import open_run
from icil.tasks import build_pool, make
from icil.tasks.pools import save_pool


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pools") / "pool"
    save_pool(build_pool(make("gridworld"), 30), folder)
    return folder


def test_a_run_from_a_pools_openings(icil, folder, tmp_path):
    out = tmp_path / "run"
    setting = f"gridworld.openings={folder}"
    command = (
        "run --task gridworld --format coords --agent expert --agent nearest --demos 4 "
        f"--episodes 5 --pool {folder} --set {setting} --out {out}"
    )
    said = icil(*command.split())
    assert said.code == 0, said.err
    table = pd.read_csv(out / "leaderboard.csv").set_index("agent")
    assert list(table.index) == ["expert", "nearest"]
    assert table.loc["expert", "score_mean"] == 1.0
    assert (table["episodes"] == 5).all()
    # The demonstration that an episode starts from is in the pool, and is kept from it.
    store = open_run(out)
    rows = store.rows("SELECT demonstrations, left_out, leaked FROM episodes")[1]
    store.close()
    shown = [(left_out, leaked) for ids, left_out, leaked in rows if json.loads(ids)]
    assert len(shown) == 5
    assert all(left_out > 0 and leaked == 0 for left_out, leaked in shown)
    assert icil("verify", out).code == 0


def test_another_pool_is_another_experiment(icil, folder, tmp_path):
    out = tmp_path / "run"
    command = "run --task gridworld --format coords --agent nearest --demos 1 --episodes 2"
    assert icil(*command.split(), "--out", out).code == 0
    said = icil(*command.split(), "--set", f"gridworld.openings={folder}", "--out", out)
    assert said.code == 2
    assert "openings" in said.err


def test_openings_that_run_out(icil, folder, tmp_path):
    command = f"run --task gridworld --episodes 99 --set gridworld.openings={folder} --out"
    said = icil(*command.split(), tmp_path / "run")
    assert said.code == 2
    assert "99 episodes of gridworld were asked for; it has" in said.err
