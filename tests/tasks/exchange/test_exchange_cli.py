"""`icil demos import` and `icil demos export`."""

import pytest

from icil.tasks import load_pool

GRID = ("import", "--from", "lmact", "--task", "gridworld", "--out", "pool")


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    """Commands run in an empty folder of their own, where what they create is seen."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "cwd"


def line(said):
    """The one line that a command used wrongly wrote."""
    assert (said.code, said.out) == (2, ""), said
    assert said.err.count("\n") == 1
    assert said.err.startswith("icil: ")
    return said.err


def test_an_import_makes_a_pool_that_can_be_described_verified_and_played(lmact, icil, inside):
    for column in range(2, 11):
        lmact.grid([(1, c) for c in range(1, column)], (1, column), ["right"] * (column - 1))
    said = icil("demos", *GRID, lmact.folder)
    assert (said.code, said.err) == (0, "")
    assert said.out == "pool: 9 demonstrations, mean return 1\n"
    assert "LMAct, grid_world_12x12" in icil("demos", "info", "pool").out
    verified = icil("demos", "verify", "pool")
    assert verified.out == "9 demonstrations, 45 steps: all as recorded\n"
    played = icil(
        "run", "--task", "gridworld", "--format", "coords", "--agent", "nearest", "--demos", "4",
        "--episodes", "3", "--pool", "pool", "--out", "run",
    )  # fmt: skip
    assert played.code == 0, played
    assert "nearest" in (inside / "run" / "leaderboard.csv").read_text(encoding="utf-8")


def test_what_was_left_out_or_cut_off_is_told(lmact, icil):
    lmact.grid([(1, 1), (1, 2)] * 15, (5, 5), ["right", "left"] * 15)
    lmact.grid([(1, 1)], (5, 5), ["right"])
    assert "demonstration_1 of " in line(icil("demos", *GRID, lmact.folder))
    said = icil("demos", *GRID, "--skip-untrue", lmact.folder)
    assert said.code == 0
    assert said.out == (
        "pool: 1 demonstrations, mean return 0, 1 left out, for they do not replay, "
        "1 cut off where the task's horizon ends them\n"
    )
    assert said.err.startswith("left out: demonstration_1 of ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("target", ["minari", "parquet"])
def test_an_export_is_made(target, icil, inside):
    pytest.importorskip({"minari": "minari", "parquet": "pyarrow"}[target])
    assert icil("demos", "build", "gridworld", "--episodes", 3, "--out", "pool").code == 0
    said = icil("demos", "export", "pool", "--to", target, "--out", "made")
    assert (said.code, said.err) == (0, "")
    assert said.out == "made: 3 demonstrations of gridworld\n"
    assert (inside / "made").exists()
    if target == "minari":
        again = icil("demos", "import", "--from", "minari", "made", "--task", "gridworld",
                     "--out", "again")  # fmt: skip
        assert again.out == "again: 3 demonstrations, mean return 1\n"
        assert load_pool(inside / "again") == load_pool(inside / "pool")


def test_a_pool_that_ships_is_exported_by_its_tasks_name(icil, inside):
    pytest.importorskip("pyarrow")
    said = icil("demos", "export", "tic_tac_toe", "--to", "parquet", "--out", "t.parquet")
    assert said.out == "t.parquet: 1000 demonstrations of tic_tac_toe\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("import", "Missing argument 'PLACE'."),
        ("import d --from lmact --task gridworld", "Missing option '--out'."),
        ("import d --task gridworld --out p", "Missing option '--from'."),
        ("import d --from lmact --out p", "Missing option '--task'."),
        ("import d --from lm_act --task gridworld --out p", "unknown source 'lm_act'; did you"),
        ("import d --from lmact --task grid --out p", "unknown task 'grid'; did you mean 'gri"),
        ("import d --from lmact --task all --out p", "unknown task 'all'"),
        ("import d --from lmact --task gridworld --out p", "there is no folder d"),
        ("import . --from lmact --task gridworld --out p", ". holds neither demonstration_* "),
        ("import . --from lmact --task gridworld --out .", ". exists already; a pool is not "),
        ("import . --from lmact --task atari/phoenix --out p", "cannot be imported: they hold"),
        ("import . --from lmact --task atari/pong --out p", "no demonstrations of atari/pong"),
        ("import . --from lmact --task chess --out p --set x=1", "unknown setting 'x'"),
        ("import . --from lmact --task chess --out p --set x", "option --set: expected"),
        ("import . --from lmact --task chess --out p --skip", "No such option '--skip'"),
        ("export", "Missing argument 'POOL'."),
        ("export gridworld --out p", "Missing option '--to'."),
        ("export gridworld --to parquet", "Missing option '--out'."),
        ("export gridworl --to parquet --out p", "unknown pool or task 'gridworl'; did you"),
        ("export gridworld --to parquett --out p", "unknown target 'parquett'; did you mean 'p"),
        ("export gridworld --to parquet --out .", ". exists already; nothing is overwritten"),
        ("export gridworld --to parquet --out p --format asci", "unknown format for gridworld:"),
        ("export gridworld --to minari --out p --format ascii", "option --format: a Minari data"),
        ("export . --to parquet --out p", "no pool of demonstrations at ."),
        ("export gridworld --to lerobot --out p", "the actions of gridworld are no vectors"),
        ("import . --from lerobot --task cheetah --out p", ". is no LeRobotDataset: there is no "),
        ("import . --from lerobot --task recorded:d --out p", "recorded:d is not found: there"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_nothing(arguments, said, icil, inside):
    assert said in line(icil("demos", *arguments.split()))
    assert list(inside.iterdir()) == []


def test_damage_is_one_line_and_leaves_nothing(lmact, icil, inside):
    path = lmact.grid([(1, 1)], (1, 2), ["right"]) / "actions_txt.bag"
    path.write_bytes(path.read_bytes()[:-1])
    assert "actions_txt.bag is damaged, cut off or no bag" in line(
        icil("demos", *GRID, lmact.folder)
    )
    assert list(inside.iterdir()) == []


@pytest.mark.parametrize("command", ["export pool --to parquet --out p", "verify pool"])
def test_a_pool_of_another_version_is_refused(command, icil, inside):
    assert icil("demos", "build", "gridworld", "--episodes", 3, "--out", "pool").code == 0
    card = (inside / "pool/card.json").read_text()
    (inside / "pool/card.json").write_text(card.replace('"task_version": 1', '"task_version": 9'))
    said = line(icil("demos", *command.split()))
    assert "is of gridworld version 9, not of gridworld version 1; build it anew" in said
    assert not (inside / "p").exists()
