"""Measuring that was interrupted goes on; what is damaged, in use or another is refused."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from filelock import FileLock

from icil.harness import FakeModel
from icil.harness.imitation import measure_imitation
from icil.results.store import FILE_NAME
from icil.tasks import (
    PoolError,
    RunFolderError,
    StoreError,
    UsageError,
    load_pool_for,
    make,
)
from icil.tasks.pools import make_pool, save_pool

RESULTS = ("figures/imitation.svg", "gaps.csv", "imitation.csv", "leaderboard.csv")

MEASURE = """
import os, sys
from pathlib import Path
from icil.harness.imitation import measure_imitation

def tell(what, done, total):
    print(done, flush=True)
    if done == int(sys.argv[3]):
        os._exit(9)

if __name__ == "__main__":
    measure_imitation(Path(sys.argv[1]), workers=int(sys.argv[2]), tell=tell)
"""

DYING = """
import multiprocessing, os, signal, sys
from pathlib import Path
from icil.harness.imitation import measure_imitation

def tell(what, done, total):
    for worker in multiprocessing.active_children() if done == 5 else ():
        os.kill(worker.pid, signal.SIGKILL)

if __name__ == "__main__":
    measure_imitation(Path(sys.argv[1]), workers=2, tell=tell)
"""


def measured(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        return db.execute("SELECT COUNT(*) FROM imitation").fetchone()[0]


def change(folder, *statements):
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        for statement in statements:
            db.execute(statement)


def change_meta(folder, edit):
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        (text,) = db.execute("SELECT value FROM meta WHERE key = 'experiment'").fetchone()
        experiment = json.loads(text)
        edit(experiment)
        db.execute("UPDATE meta SET value = ? WHERE key = 'experiment'", (json.dumps(experiment),))


@pytest.fixture
def folder(play):
    """That of a run of 6 episodes each of three cells: `nearest` with 0 and 2, and a player."""
    return play(agent=("nearest", "random"), demos=(0, 2)).folder


@pytest.fixture
def whole(folder, tmp_path):
    """The same run, measured without a break."""
    shutil.copytree(folder, tmp_path / "whole")
    measure_imitation(tmp_path / "whole")
    return tmp_path / "whole"


def start(script, folder, workers, stop):
    arguments = [sys.executable, str(script), str(folder), str(workers), str(stop)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_it_goes_on_where_it_was(folder, whole, tmp_path, workers):
    script = tmp_path / "measure.py"
    script.write_text(MEASURE)
    with start(script, folder, workers, 7) as process:
        process.communicate(timeout=120)
    assert process.returncode == 9
    kept = measured(folder)
    assert kept == 7
    seen = []
    found = measure_imitation(folder, tell=lambda *told: seen.append(told))
    assert found.measured == 18 - kept
    assert seen == [("episodes measured", done, 18) for done in range(kept, 19)]
    assert measured(folder) == 18
    for name in RESULTS:
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_many_processes_find_the_same(folder, whole):
    measure_imitation(folder, workers=3)
    for name in RESULTS:
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_once_more_changes_nothing(whole):
    before = {name: (whole / name).read_bytes() for name in RESULTS}
    assert measure_imitation(whole).measured == 0
    assert {name: (whole / name).read_bytes() for name in RESULTS} == before


def test_an_unfinished_run_is_measured_as_far_as_it_is(play, whole):
    kept = play("more", agent=("nearest", "random"), demos=(0, 2), episodes=6)
    change(kept.folder, "UPDATE episodes SET status = 'running', score = NULL WHERE opening >= 4")
    assert measure_imitation(kept.folder).measured == 12
    again = play("more", agent=("nearest", "random"), demos=(0, 2), episodes=6)
    assert again.errors == 0
    found = measure_imitation(again.folder)
    assert found.measured == 6
    assert found.curves == measure_imitation(whole).curves


def test_a_folder_in_use_is_left_alone(folder):
    before = (folder / FILE_NAME).read_bytes()
    with (
        FileLock(folder / ".lock"),
        pytest.raises(RunFolderError, match="is in use by another process"),
    ):
        measure_imitation(folder)
    assert (folder / FILE_NAME).read_bytes() == before
    assert not (folder / "imitation.csv").exists()
    assert measure_imitation(folder).measured == 18


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_a_run_is_left_alone(tmp_path, there):
    folder = tmp_path / "none"
    if there:
        folder.mkdir()
    with pytest.raises(RunFolderError, match="holds no run"):
        measure_imitation(folder)
    assert not there or list(folder.iterdir()) == []
    assert folder.exists() == there


def test_a_damaged_store_is_left_as_it_is(folder):
    path = folder / FILE_NAME
    path.write_bytes(path.read_bytes()[:-3000])
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is damaged"):
        measure_imitation(folder)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE steps SET reward = 0.5 WHERE {here} AND step = 1", "step 1: the world gives a"),
        ("UPDATE steps SET action = 'z9' WHERE {here} AND step = 1", "step 1: 'z9' cannot be"),
        ("UPDATE steps SET reward = NULL WHERE {here} AND step = 1", "step 1: '.*' cannot be"),
        ("DELETE FROM steps WHERE {here} AND step > 0", "step 0: the episode ends elsewhere"),
    ],
)
def test_what_does_not_come_out_as_it_was_is_told_and_the_rest_kept(folder, contents, damage, says):
    played = contents(folder).of(agent="nearest", count=2)
    broken = max((e for e in played if len(e["steps"]) > 2), key=lambda e: e["opening"])
    change(folder, damage.format(here=f"episode = {broken['id']}"))
    where = rf"tic_tac_toe ascii nearest, opening {broken['opening']}, {says}"
    with pytest.raises(StoreError, match=where):
        measure_imitation(folder)
    assert 0 < measured(folder) < 18


def test_another_version_of_a_task_is_refused(folder):
    change_meta(folder, lambda experiment: experiment["task"].update(tic_tac_toe=99))
    with pytest.raises(RunFolderError, match="another task of tic_tac_toe: 99, and here it is 1"):
        measure_imitation(folder)


def test_another_pool_is_refused(folder):
    change_meta(folder, lambda experiment: experiment["pool"].update(tic_tac_toe="0" * 64))
    with pytest.raises(RunFolderError, match="another pool of tic_tac_toe"):
        measure_imitation(folder)


def test_other_settings_are_refused(play):
    folder = play(
        task=("crossword",), agent=("random",), episodes=2, set={"crossword.illegal": "end"}
    ).folder
    assert measure_imitation(folder).measured == 2
    change_meta(folder, lambda experiment: experiment.update(set={}))
    change(folder, "DELETE FROM imitation")
    with pytest.raises(RunFolderError, match="another settings of task crossword"):
        measure_imitation(folder)


def test_other_demonstrations_are_refused(folder):
    """Ids that no pool has: whoever made them must make the same again."""
    change(
        folder,
        """UPDATE episodes SET demonstrations = '["x","y"]' WHERE demonstrations != '[]'""",
    )
    with pytest.raises(RunFolderError, match="random shows other demonstrations of tic_tac_toe"):
        measure_imitation(folder)


def test_a_pool_of_ones_own_is_found_where_the_experiment_says(play, tmp_path):
    task = make("tic_tac_toe")
    own = make_pool(task, load_pool_for(task).demonstrations[:40])
    save_pool(own, tmp_path / "own")
    folder = play(demos=(3,), pool=(tmp_path / "own",)).folder
    assert measure_imitation(folder).measured == 6
    change(folder, "DELETE FROM imitation")
    (folder / "experiment.yaml").unlink()
    with pytest.raises(RunFolderError, match="another pool of tic_tac_toe"):
        measure_imitation(folder)


def test_a_pool_that_is_gone_is_told(play, tmp_path):
    pool = load_pool_for(make("tic_tac_toe"))
    save_pool(pool, tmp_path / "own")
    folder = play(demos=(3,), pool=(tmp_path / "own",)).folder
    shutil.rmtree(tmp_path / "own")
    with pytest.raises(PoolError, match="no pool of demonstrations at"):
        measure_imitation(folder)


def test_an_experiment_file_is_only_needed_for_pools(folder, whole):
    (folder / "experiment.yaml").unlink()
    measure_imitation(folder)
    assert (folder / "imitation.csv").read_bytes() == (whole / "imitation.csv").read_bytes()
    (folder / "experiment.yaml").write_text("task: [")
    with pytest.raises(UsageError, match="is not YAML"):
        measure_imitation(folder)


def test_models_need_not_be_there(play, monkeypatch):
    """Neither they nor their keys: their settings are in the store, and no request is made."""
    model = FakeModel(("a1", "b2"))
    folder = play(agents={"model": model}, demos=(0, 2)).folder
    calls = model.calls
    change_meta(
        folder,
        lambda experiment: experiment.update(
            agent=["openai/gpt-5", "expert"], set={"openai/gpt-5.temperature": 1}
        ),
    )
    change(folder, "UPDATE cells SET agent = 'openai/gpt-5' WHERE agent = 'model'")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert measure_imitation(folder).measured == 12
    assert model.calls == calls


def test_a_worker_that_dies_costs_nothing_that_was_measured(folder, tmp_path):
    script = tmp_path / "measure.py"
    script.write_text(DYING)
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False
    )
    assert "a worker process died" in done.stderr
    measure_imitation(folder)
    assert measured(folder) == 18
