"""The command line as it is meant to be used."""

import csv
import subprocess

import pytest

from icil.harness import agents
from icil.prompt_builders import selectors
from icil.results import COLUMNS
from icil.tasks import load_pool, make, members
from icil.tasks.pools import read_card, shipped_pool

SHORT = ("--task", "tic_tac_toe", "--format", "ascii", "--episodes", "4")


def test_help_lists_all_the_commands(icil):
    said = icil("--help")
    assert (said.code, said.err) == (0, "")
    assert icil("-h") == said
    listed = [line.split()[0] for line in said.out.split("Commands:")[1].splitlines() if line]
    assert listed == [
        *("agents", "check", "demos", "estimate", "imitation", "languages", "leaderboard"),
        *("report", "run", "selectors", "serve", "serve-fake", "show", "tasks", "verify", "view"),
    ]
    for name in listed:
        helped = icil(name, "--help")
        assert helped.code == 0
        assert helped.out.startswith(f"Usage: icil {name} ")


def test_help_of_run_names_every_option(icil):
    from icil.harness import Experiment

    said = icil("run", "--help")
    words = {word.strip("[],.") for word in said.out.split()}
    for name in Experiment.model_fields:
        option = f"--{name.replace('_', '-')}"
        assert any(word.split("/")[0] == option for word in words), name
    assert {"--out", "--concurrency"} <= words


def test_the_version_is_the_installed_one(icil):
    from importlib.metadata import version

    assert icil("--version").out == f"icil, version {version('icil')}\n"


def test_tasks_are_listed_with_formats_and_published_scores(icil):
    said = icil("tasks")
    assert (said.code, said.err) == (0, "")
    assert " gym:… " in said.out
    for name in members():
        (line,) = (line for line in said.out.splitlines() if line.startswith(f"│ {name} "))
        assert str(make(name).horizon) in line
    assert "LMAct" in said.out


def test_agents_and_selectors_are_listed(icil):
    for command, known in (("agents", agents.names()), ("selectors", selectors.names())):
        lines = icil(command).out.partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in lines] == list(known)
        assert all(len(line.split()) > 2 for line in lines)


def test_run_leaves_a_leaderboard_and_prints_it(icil, tmp_path):
    folder = tmp_path / "run"
    said = icil("run", *SHORT, "--demos", "0,2", "--out", folder)
    assert (said.code, said.err) == (0, "")
    assert "tic_tac_toe · ascii" in said.out
    assert said.out.splitlines()[-2:] == [
        str(folder / "leaderboard.csv"),
        f"run folder: {folder}",
    ]
    with (folder / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert {(r["agent"], r["demonstrations"]) for r in rows} == {
        ("random", "0"),
        ("expert", "0"),
        ("nearest", "0"),
        ("nearest", "2"),
    }
    assert {r["task"] for r in rows} == {"tic_tac_toe"}
    present = {path.name for path in folder.iterdir()}
    assert {"experiment.yaml", "run.sqlite", "leaderboard.csv"} <= present
    assert not any(name.endswith((".new", "-journal")) for name in present)


def test_options_yaml_and_python_give_the_same_run(icil, tmp_path):
    from icil.harness import Experiment, run

    (tmp_path / "e.yaml").write_text(
        "task: tic_tac_toe\nformat: ascii\nepisodes: 99\nagent: nearest\ndemos: 0,2\nseed: 3\n"
    )
    by_file = icil("run", tmp_path / "e.yaml", "--episodes", "4", "--out", tmp_path / "file")
    by_options = icil(
        *("run", *SHORT, "--demos", "0,2", "--seed", "3", "--agent", "nearest"),
        *("--out", tmp_path / "options", "--concurrency", "1"),
    )
    assert by_file.code == by_options.code == 0
    experiment = Experiment(
        task=("tic_tac_toe",),
        format=("ascii",),
        agent=("nearest",),
        demos=(0, 2),
        episodes=4,
        seed=3,
    )
    run(experiment, tmp_path / "python")
    texts = {
        (tmp_path / name / "leaderboard.csv").read_text() for name in ("file", "options", "python")
    }
    assert len(texts) == 1


def test_the_experiment_in_a_run_folder_runs_again_into_the_same_folder(icil, tmp_path):
    folder = tmp_path / "run"
    icil("demos", "build", "tic_tac_toe", "--episodes", "30", "--out", tmp_path / "pool")
    template = tmp_path / "t.yaml"
    from icil.prompt_builders.template import DEFAULT

    template.write_text(DEFAULT.read_text().replace("unknown environment", "odd environment"))
    first = icil(
        *("run", *SHORT, "--demos", "0,2", "--legal-actions", "--no-past-actions", "--seed", "4"),
        *("--pool", tmp_path / "pool", "--template", template, "--out", folder),
    )
    assert first.code == 0
    before = (folder / "leaderboard.csv").read_bytes(), (folder / "experiment.yaml").read_bytes()
    again = icil("run", folder / "experiment.yaml", "--out", folder)
    assert (again.code, again.out) == (0, first.out)
    after = (folder / "leaderboard.csv").read_bytes(), (folder / "experiment.yaml").read_bytes()
    assert after == before
    other = icil("run", folder / "experiment.yaml", "--out", tmp_path / "other")
    assert other.code == 0
    assert (tmp_path / "other" / "leaderboard.csv").read_bytes() == before[0]


def test_relative_paths_of_an_experiment_are_kept_as_what_they_meant(icil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    icil("demos", "build", "tic_tac_toe", "--episodes", "30", "--out", "pool")
    assert icil("run", *SHORT, "--demos", "2", "--pool", "pool", "--out", "run").code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert icil("run", "../run/experiment.yaml", "--out", "../run").code == 0


def test_without_a_folder_the_run_goes_below_runs_and_is_found_again(icil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = icil("run", *SHORT, "--demos", "0")
    (folder,) = (tmp_path / "runs").iterdir()
    assert first.out.splitlines()[-1] == f"run folder: runs/{folder.name}"
    assert icil("run", *SHORT, "--demos", "0") == first
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_with_several_tasks_each_plays_the_formats_that_it_has(icil, tmp_path):
    said = icil(
        *(
            "run",
            "--task",
            "gridworld,tic_tac_toe",
            "--format",
            "coords",
            "--format",
            "ascii",
            "--agent",
            "random",
        ),
        *("--demos", "0", "--episodes", "2", "--out", tmp_path / "run"),
    )
    assert said.code == 0
    with (tmp_path / "run" / "leaderboard.csv").open() as file:
        shown = [(r["task"], r["format"]) for r in csv.DictReader(file)]
    assert shown == [("gridworld", "ascii"), ("gridworld", "coords"), ("tic_tac_toe", "ascii")]


def test_leaderboard_prints_what_the_run_printed_and_writes_what_it_wrote(icil, tmp_path):
    folder, out = tmp_path / "run", tmp_path / "board.csv"
    first = icil("run", *SHORT, "--demos", "0,1", "--out", folder)
    said = icil("leaderboard", folder)
    assert (said.code, said.err) == (0, "")
    assert first.out.startswith(said.out.rstrip("\n"))
    written = icil("leaderboard", folder, "-o", out)
    assert (written.code, written.err) == (0, "")
    assert out.read_bytes() == (folder / "leaderboard.csv").read_bytes()


def test_no_figure_of_a_table_is_cut_where_the_terminal_is_narrow(icil_process, tmp_path):
    folder = tmp_path / "run"
    said = icil_process("run", *SHORT, "--demos", "0,1", "--out", folder, env={"COLUMNS": "40"})
    assert said.code == 0
    assert "…" not in said.out
    assert "expert" in said.out


def test_demos_build_makes_the_same_pool_every_time_and_overwrites_none(icil, tmp_path):
    one, other = tmp_path / "one", tmp_path / "new" / "other"
    for folder in (one, other):
        said = icil("demos", "build", "gridworld", "--episodes", "7", "--out", folder)
        assert said.code == 0
        assert said.out.startswith(f"{folder}: 7 demonstrations, mean return 1")
    for name in ("card.json", "traces.jsonl.gz"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert len(load_pool(one).demonstrations) == 7
    before = (one / "traces.jsonl.gz").read_bytes()
    said = icil("demos", "build", "gridworld", "--episodes", "3", "--out", one)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"icil: {one} exists already; a pool is not overwritten\n"
    assert (one / "traces.jsonl.gz").read_bytes() == before


def test_the_first_demonstrations_that_ship_are_what_build_makes(icil, tmp_path):
    icil("demos", "build", "tic_tac_toe", "--episodes", "20", "--out", tmp_path / "pool")
    built = load_pool(tmp_path / "pool").demonstrations
    assert built == load_pool(shipped_pool("tic_tac_toe")).demonstrations[:20]


@pytest.mark.parametrize("name", ["gridworld", "metaworld/reach-v3"])
def test_demos_info_prints_the_card(name, icil):
    said = icil("demos", "info", name)
    assert (said.code, said.err) == (0, "")
    card = read_card(shipped_pool(name))
    assert card.hash in said.out
    assert str(card.demonstrations) in said.out
    assert icil("demos", "info", shipped_pool(name)) == said


@pytest.mark.parametrize("lines", [0, 1])
@pytest.mark.parametrize(
    "arguments", ["tasks", "agents", "--help", "run --help", "demos info gridworld"]
)
def test_an_output_that_nobody_reads_to_its_end_gives_no_traceback(lines, arguments, command):
    process = subprocess.Popen(
        [*command, *arguments.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    process.wait(60)
    assert err == ""


@pytest.mark.parametrize("arguments", ["tasks", "agents"])
def test_an_output_that_cannot_be_written_is_said_in_one_line(arguments, command):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*command, arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "icil: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_tables_are_printed_in_any_encoding(encoding, icil_process, tmp_path):
    for arguments in (("tasks",), ("run", *SHORT, "--demos", "0", "--out", "run")):
        said = icil_process(*arguments, env={"PYTHONIOENCODING": encoding})
        assert (said.code, said.err) == (0, "")
        assert "tic_tac_toe" in said.out
