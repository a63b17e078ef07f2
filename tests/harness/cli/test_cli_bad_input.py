"""Bad input through the command line: one line that helps, the right code, nothing touched."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from filelock import FileLock

from icil.harness import Experiment, FakeModel, run
from icil.prompt_builders.template import DEFAULT
from icil.results.store import LAYOUT
from icil.tasks import load_pool_for, make
from icil.tasks.pools import save_pool, shipped_pool

SHORT = ("--task", "tic_tac_toe", "--format", "ascii", "--episodes", "3", "--demos", "0")


def line(said, code=2):
    """The one line that a failed command wrote."""
    assert said.code == code, said
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("icil: ")
    assert "Traceback" not in said.err
    return said.err.removeprefix("icil: ").rstrip("\n")


def snapshot(folder):
    return {
        path.relative_to(folder): (path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    """Commands run in an empty folder of their own, where what they create is seen."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "cwd"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("rum", "unknown command 'rum'; did you mean 'run'?"),
        ("Run", "unknown command 'Run'; did you mean 'run'?"),
        ("zzz", "unknown command 'zzz'; known: "),
        ("demos biuld gridworld", "No such command 'biuld'. Did you mean 'build'?"),
        ("--verison", "No such option '--verison'. Did you mean '--version'?"),
        ("run --task tic-tac-toe", "unknown task 'tic-tac-toe'; did you mean 'tic_tac_toe'?"),
        ("run --task all --task gridwrld", "unknown task 'gridwrld'; did you mean 'gridworld'?"),
        ("run --format asci", "unknown format 'asci'; did you mean 'ascii'?"),
        ("run --format RGB", "unknown format 'RGB'"),
        ("run --agent neerest", "unknown agent 'neerest'; did you mean 'nearest'?"),
        ("run --agent zzz", "unknown agent 'zzz'; known: "),
        ("run --selector rendom", "unknown selector 'rendom'; did you mean 'random'?"),
        ("run --task tic_tac_toe --format coords", "unknown format 'coords'; known: ascii, rgb"),
        (
            "run --task gridworld,tic_tac_toe --format coords",
            "tic_tac_toe has none of the formats coords; it has ascii, rgb",
        ),
        (
            "run --episode 3",
            "No such option '--episode'. (Did you mean one of: '--episodes', '--parse'?)",
        ),
        ("run --agnet random", "No such option '--agnet'. (Did you mean one of: '--agent', "),
        ("run --zzz", "No such option '--zzz'."),
        ("run --episodes 0", "option --episodes: expected a whole number, 1 or more, got 0"),
        ("run --episodes -1", "option --episodes: expected a whole number, 1 or more, got -1"),
        ("run --episodes many", "Invalid value for '--episodes': 'many' is not a valid integer."),
        ("run --seed -1", "option --seed: expected a whole number, 0 or more, got -1"),
        ("run --demos 0,x", "option --demos[1]: expected whole numbers, 0 or more, such as"),
        ("run --demos -1", "option --demos[0]: expected whole numbers"),
        ("run --demos 1.5", "option --demos[0]: expected whole numbers"),
        ("run --demos ,", "option --demos: expected whole numbers"),
        ("run --demos", "Option '--demos' requires an argument."),
        ("run --concurrency 0", "Invalid value for '--concurrency': 0 is not in the range"),
        ("run --demos 1001 --task gridworld", "1001 demonstrations of gridworld were asked for; "),
        ("run --demos 1000 --task tic_tac_toe --episodes 300", "of which 999 never show an"),
        ("run --task tic_tac_toe --episodes 546", "it has 545 evaluation openings"),
        (
            "run --teacher-forced --demos 0 --task gridworld",
            "teacher_forced: expected demos of 1 or more, got 0 alone",
        ),
        (
            "run --teacher-forced --demos 1 --task gridworld --episodes 1001",
            "1001 teacher-forced episodes of gridworld were asked for; its pool has 1000",
        ),
        ("run --template none.yaml", "template none.yaml: No such file or directory"),
        ("run --pool none", "no pool of demonstrations at none: No such file or directory"),
        ("run none.yaml", "experiment none.yaml: No such file or directory"),
        ("run .", "experiment .: Is a directory"),
        ("run a.yaml b.yaml", "Got unexpected extra argument (b.yaml)"),
        ("leaderboard", "Missing argument 'DIR…'."),
        ("leaderboard none", "none holds no run: there is no such folder"),
        ("leaderboard .", ". holds no run: there is no run.sqlite in it"),
        ("demos info none", "unknown pool or task 'none'; known: "),
        ("demos info grid_world", "unknown pool or task 'grid_world'; did you mean 'gridworld'?"),
        (
            "run --task chess --set chess.skill=1 --set chess.skill=2",
            "option --set: chess.skill is given two values, 1 and 2",
        ),
        ("demos info atari/pong", "no pool of atari/pong ships with icil; name a folder with one"),
        ("demos info tic-tac-toe", "unknown pool or task 'tic-tac-toe'; did you mean"),
        ("demos info .", "no pool of demonstrations at .: No such file or directory"),
        ("demos build", "Missing argument 'TASK'."),
        ("demos build gridworld", "Missing option '--out'."),
        ("demos build tictactoe --out p", "unknown task 'tictactoe'; did you mean 'tic_tac_toe'?"),
        ("demos build gridworld --out .", ". exists already; a pool is not overwritten"),
        ("demos build gridworld --out p --episodes 0", "Invalid value for '--episodes'"),
        ("demos build tic_tac_toe --out p --episodes 1e3", "Invalid value for '--episodes'"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_nothing(arguments, said, icil, inside):
    assert said in line(icil(*arguments.split()))
    assert snapshot(inside) == {}


def test_an_installed_command_fails_as_cleanly_as_one_called_here(icil_process, tmp_path):
    said = line(icil_process("run", "--agent", "neerest", "--out", tmp_path / "run"))
    assert said == "unknown agent 'neerest'; did you mean 'nearest'?"
    assert line(icil_process("run", "\udcff.yaml")).endswith("No such file or directory")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("episodes: many", "episodes: expected a whole number, 1 or more, got 'many'"),
        ("task: [[gridworld]]", "task[0]: expected names of tasks, got ['gridworld']"),
        ("task: {a: {b: [c]}}", "task[0]: expected names of tasks"),
        ("episdes: 3", "unknown key 'episdes'; did you mean 'episodes'?"),
        ("- run", "expected keys and values"),
        ("task: gridwrld", "unknown task 'gridwrld'; did you mean 'gridworld'?"),
        (b"\x7fELF\0\1\2\xff", "is not YAML"),
    ],
)
def test_a_wrong_experiment_file_is_one_line_and_leaves_nothing(text, said, icil, inside):
    (inside / "e.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    before = snapshot(inside)
    found = line(icil("run", "e.yaml", "--out", "out"))
    assert said in found
    assert "e.yaml" in found or "unknown task" in found
    assert snapshot(inside) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("preamble:", "preambel:"), "preamble"),
        (lambda t: t.replace("$observation", "$observatoin"), "did you mean '$observation'?"),
        (lambda t: t.replace("Action: $action", "Action"), "expected '$action' exactly once"),
        (lambda t: t + "\nquestion: 5\n", "question"),
        (lambda t: "- 1", "expected pieces by name"),
        (lambda t: "\0", "is not YAML"),
    ],
)
def test_a_wrong_template_is_one_line_and_leaves_nothing(change, said, icil, inside):
    (inside / "t.yaml").write_text(change(DEFAULT.read_text()))
    assert said in line(icil("run", *SHORT, "--template", "t.yaml", "--out", "out"))
    assert not (inside / "out").exists()


def spoil_traces(pool):
    content = (pool / "traces.jsonl.gz").read_bytes()
    (pool / "traces.jsonl.gz").write_bytes(content[: len(content) // 2])


def other_traces(pool):
    shutil.copy(shipped_pool("gridworld") / "traces.jsonl.gz", pool)


def spoil_card(pool):
    (pool / "card.json").write_text("{")


def later_version(pool):
    card = (pool / "card.json").read_text()
    (pool / "card.json").write_text(card.replace('"task_version": 1', '"task_version": 9'))


def missing_traces(pool):
    (pool / "traces.jsonl.gz").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (spoil_traces, "cannot be read"),
        (other_traces, "does not have the hash"),
        (spoil_card, "card.json is damaged"),
        (later_version, "version 9, not of tic_tac_toe version 1"),
        (missing_traces, "cannot be read"),
    ],
)
def test_a_damaged_pool_is_one_line_and_leaves_nothing(damage, said, icil, inside):
    shutil.copytree(shipped_pool("tic_tac_toe"), inside / "pool")
    damage(inside / "pool")
    arguments = ("run", *SHORT[:-1], "2", "--pool", "pool", "--out", "out")
    assert said in line(icil(*arguments))
    assert not (inside / "out").exists()


def test_a_pool_of_a_task_that_is_not_played_is_refused(icil, inside):
    said = line(icil("run", *SHORT, "--pool", shipped_pool("gridworld"), "--out", "out"))
    assert "is of gridworld, which is not among the tasks" in said
    assert not (inside / "out").exists()


def test_a_pool_whose_demonstrations_do_not_replay_is_told_and_not_shown(icil, inside):
    from dataclasses import replace

    from icil.tasks.pools import make_pool

    task = make("tic_tac_toe")
    true = load_pool_for(task).demonstrations[:20]
    false = [replace(d, opening=true[0].opening) for d in true]
    save_pool(make_pool(task, false), inside / "pool")
    arguments = ("run", *SHORT[:-1], "9", "--agent", "nearest", "--pool", "pool", "--out", "out")
    said = line(icil(*arguments))
    assert "does not replay" in said
    assert not (inside / "out" / "leaderboard.csv").exists()


def test_a_folder_that_is_a_file_is_left_as_it_is(icil, inside):
    (inside / "out").write_text("mine")
    assert line(icil("run", *SHORT, "--out", "out")) == "out is a file, not a folder"
    assert line(icil("run", *SHORT, "--out", "out/below"), 1).startswith("cannot use out/below")
    assert (inside / "out").read_text() == "mine"


def test_a_folder_that_holds_other_things_is_left_as_it_is(icil, inside):
    (inside / "out").mkdir()
    (inside / "out" / "thesis.tex").write_text("mine")
    before = snapshot(inside)
    said = line(icil("run", *SHORT, "--out", "out"))
    assert said.startswith("out holds no run but other things (thesis.tex)")
    assert snapshot(inside) == before


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (("--seed", "1"), ["seed is 0 there and 1 here"]),
        (("--seed", "1", "--demos", "0,1", "--episodes", "4"), ["seed is 0 there and 1 here"]),
        (("--window", "2"), ["window is None there and 2 here"]),
        (("--parse", "lenient", "--seed", "2"), ["parse is strict there", "seed is 0 there and 2"]),
    ],
)
def test_a_folder_of_another_experiment_is_left_as_it_is(arguments, fields, icil, inside):
    assert icil("run", *SHORT, "--out", "out").code == 0
    before = snapshot(inside)
    said = line(icil("run", *SHORT, *arguments, "--out", "out"))
    assert said.startswith("out holds another experiment: ")
    assert said.count(" there and ") == len(fields)
    assert all(field in said for field in fields)
    assert before.items() <= snapshot(inside).items()


def test_a_changed_template_is_another_experiment_for_those_who_read_it(icil, inside):
    fields = {"task": ("tic_tac_toe",), "format": ("ascii",), "demos": (0,), "episodes": 3}
    run(Experiment(agent=("fake",), **fields), inside / "out", agents={"fake": FakeModel("a1")})
    (inside / "t.yaml").write_text(DEFAULT.read_text().replace("unknown", "known"))
    arguments = ("run", *SHORT, "--template", "t.yaml", "--out", "out")
    assert icil(*arguments, "--agent", "nearest").code == 0
    said = line(icil(*arguments, "--agent", "openai/gpt-5"))
    assert said.startswith("out holds another experiment: template is ")
    assert said.count(" there and ") == 1


def test_a_folder_in_use_by_another_process_is_refused_until_it_is_free(icil, inside, command):
    arguments = ("run", *SHORT, "--out", "out")
    assert icil(*arguments).code == 0
    held = (
        "import sys\nfrom filelock import FileLock\n"
        "with FileLock('out/.lock'):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    assert line(icil(*arguments)) == "out is in use by another process"
    assert icil("leaderboard", "out").code == 0
    process.kill()
    process.communicate()
    assert icil(*arguments).code == 0


def played(store):
    if not store.exists():
        return 0
    with closing(sqlite3.connect(store)) as db:
        return db.execute("SELECT COUNT(*) FROM steps").fetchone()[0]


def test_a_second_command_at_the_same_folder_is_refused(icil, inside, command):
    arguments = [*("run", *SHORT[:4]), "--episodes", "400", "--demos", "0,1,2", "--out", "out"]
    first = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)
    try:
        while not played(inside / "out" / "run.sqlite"):
            assert first.poll() is None
            time.sleep(0.01)
        os.kill(first.pid, signal.SIGSTOP)  # however slow this machine, it is not done yet
        assert line(icil(*arguments)) == "out is in use by another process"
        os.kill(first.pid, signal.SIGCONT)
        assert first.wait(120) == 0
    finally:
        first.kill()
        first.wait()
    assert icil(*arguments).code == 0


def truncated(share):
    def damage(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return damage


def overwritten(path):
    content = bytearray(path.read_bytes())
    content[4096 : 4096 + 3000] = os.urandom(3000)
    path.write_bytes(content)


def of_something_else(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (precious TEXT)")
    db.close()


def of_a_later_layout(path):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'layout'")
    db.close()


def without_a_layout(path):
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM meta")
    db.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncated(0), "is empty: it was truncated"),
        (truncated(0.001), "is damaged"),
        (truncated(0.4), "is damaged"),
        (truncated(0.9), "is damaged"),
        (overwritten, "is damaged"),
        (lambda path: path.write_text("mine"), "is not an SQLite file"),
        (lambda path: path.write_bytes(b"\0" * 10_000), "is not an SQLite file"),
        (of_something_else, "is not the store of a run"),
        (of_a_later_layout, f"has layout 99; this version of icil reads layout {LAYOUT}"),
        (without_a_layout, "is not the store of a run"),
    ],
)
def test_a_damaged_store_is_one_line_and_left_as_it_is(damage, said, icil, inside):
    arguments = ("run", *SHORT, "--out", "out")
    assert icil(*arguments).code == 0
    damage(inside / "out" / "run.sqlite")
    before = snapshot(inside)
    for command in (arguments, ("leaderboard", "out")):
        found = icil(*command)
        assert found.code in (1, 2)
        assert said in line(found, found.code)
        assert "run.sqlite" in found.err
        assert before.items() <= snapshot(inside).items()


def test_a_store_that_is_a_folder_is_one_line(icil, inside):
    (inside / "out" / "run.sqlite").mkdir(parents=True)
    assert "no run store at" in line(icil("run", *SHORT, "--out", "out"), 1)


@pytest.mark.parametrize("out", ["/proc/nothing/here", "/dev/null/run", "a" * 300, "a\nb" * 100])
def test_a_place_that_cannot_be_written_is_one_line(out, icil, inside):
    arguments = (
        ("run", *SHORT, "--out", out),
        ("demos", "build", "gridworld", "--episodes", "2", "--out", out),
    )
    for command in arguments:
        said = icil(*command)
        assert said.code in (1, 2)
        assert "Traceback" not in said.err
        assert said.err.startswith("icil: ")
        assert said.out == ""
    assert snapshot(inside) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_line(icil, inside):
    (inside / "locked").mkdir(mode=0o500)
    said = icil("run", *SHORT, "--out", "locked/run")
    assert line(said, 1).startswith("cannot use locked/run")


def test_a_leaderboard_that_cannot_be_written_is_one_line(icil, inside):
    assert icil("run", *SHORT, "--out", "out").code == 0
    (inside / "taken").mkdir()
    for where in ("none/board.csv", "taken", "/dev/null/board.csv"):
        said = icil("leaderboard", "out", "-o", where)
        assert line(said, 1).startswith(f"cannot write {where}")


def test_results_that_cannot_be_written_cost_no_episode(icil, inside):
    arguments = ("run", *SHORT, "--out", "out")
    assert icil(*arguments).code == 0
    whole = (inside / "out" / "leaderboard.csv").read_bytes()
    (inside / "out" / "leaderboard.csv").unlink()
    (inside / "out" / "leaderboard.csv").mkdir()
    assert line(icil(*arguments), 1).startswith("cannot write the results into out")
    (inside / "out" / "leaderboard.csv").rmdir()
    assert icil(*arguments).code == 0
    assert (inside / "out" / "leaderboard.csv").read_bytes() == whole


@pytest.mark.parametrize("room", [3_000, 60_000, 150_000])
def test_a_full_disk_is_one_line_and_with_room_the_same_command_goes_on(
    room, icil, icil_process, tmp_path
):
    """A limit on the size of a file stands in for a full disk."""
    arguments = ("run", *SHORT[:-3], "60", "--demos", "0,4", "--out", tmp_path / "run")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    said = icil_process(*arguments, preexec_fn=limit)
    line(said, 1)
    assert icil(*arguments).code == 0
    assert icil(*arguments[:-1], tmp_path / "whole").code == 0
    one, other = (tmp_path / name / "leaderboard.csv" for name in ("run", "whole"))
    assert one.read_bytes() == other.read_bytes()


def test_a_full_disk_costs_no_reply_that_was_stored(tmp_path, monkeypatch, contents):
    from icil.results import store
    from icil.tasks import StoreError

    connect = store.connect

    def small(path, *, readonly):
        db = connect(path, readonly=readonly)
        db.execute("PRAGMA max_page_count = 45")
        return db

    def answer(turn):
        return "x" * 3000

    fields = {"task": ("tic_tac_toe",), "format": ("ascii",), "agent": ("fake",)}
    experiment = Experiment(**fields, demos=(0,), episodes=60)
    monkeypatch.setattr(store, "connect", small)
    with pytest.raises(StoreError, match="the disk is full; free some space, then the same"):
        run(experiment, tmp_path / "run", agents={"fake": FakeModel(answer)})
    monkeypatch.undo()
    kept = sum(len(e["steps"]) for e in contents(tmp_path / "run").of(agent="fake"))
    model, undisturbed = FakeModel(answer), FakeModel(answer)
    run(experiment, tmp_path / "run", agents={"fake": model})
    run(experiment, tmp_path / "whole", agents={"fake": undisturbed})
    assert kept > 10
    assert model.calls == undisturbed.calls - kept
    assert contents(tmp_path / "run").essence() == contents(tmp_path / "whole").essence()


def test_the_lock_of_a_dead_process_is_no_hindrance(icil, inside):
    assert icil("run", *SHORT, "--out", "out").code == 0
    lock = FileLock(inside / "out" / ".lock")
    lock.acquire()
    lock.release()
    (inside / "out" / ".lock").write_text("12345")
    assert icil("run", *SHORT, "--out", "out").code == 0


def test_a_damaged_store_beside_what_a_killed_process_had_not_moved_is_left_as_it_is(icil, inside):
    """The write-ahead log may hold the newest steps: it must not be thrown away."""
    assert icil("run", *SHORT, "--out", "out").code == 0
    store = inside / "out" / "run.sqlite"
    store.write_bytes(b"not a database" * 100)
    (inside / "out" / "run.sqlite-wal").write_bytes(b"precious" * 100)
    before = snapshot(inside)
    line(icil("run", *SHORT, "--out", "out"), 1)
    assert before.items() <= snapshot(inside).items()
