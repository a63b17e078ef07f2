"""Sweeping and widening from the command line."""

import csv
import json
import re
from pathlib import Path

import pytest
import yaml

from icil.harness import Experiment

SHORT = ("--task", "tic_tac_toe", "--format", "ascii", "--episodes", "4", "--demos", "0,2")
DOCUMENTATION = Path(__file__).parents[3] / "docs" / "sweeps.md"
BOTH = ("random", "random+noise=0.5")


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(icil, *arguments):
    said = icil("run", *arguments, "--dry-run", "--json")
    assert said.code == 0, said
    return json.loads(said.out)


def board(folder):
    with (folder / "leaderboard.csv").open() as file:
        return {(row["agent"], row["demonstrations"]) for row in csv.DictReader(file)}


def test_a_dry_run_lists_the_cells_and_makes_nothing(icil, inside):
    said = icil("run", *SHORT, "--agent", "nearest", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert list(inside.iterdir()) == []
    rows = [line.split() for line in said.out.splitlines() if "tic_tac_toe" in line]
    assert rows == [
        ["tic_tac_toe", "(random)", "0", "4", "0", "4"],
        ["tic_tac_toe", "(expert)", "0", "4", "0", "4"],
        ["tic_tac_toe", "ascii", "nearest", "0", "4", "0", "4"],
        ["tic_tac_toe", "ascii", "nearest", "random", "2", "4", "0", "4"],
    ]
    assert "4 cells, 16 episodes: 0 done, 16 to play" in said.out


def test_a_dry_run_needs_no_key_and_asks_no_model(icil, inside, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    told = plan(icil, *SHORT, "--agent", "openai/gpt-5", "--legal-actions", "--no-legal-actions")
    mine = [cell for cell in told["cells"] if cell["agent"] == "openai/gpt-5"]
    assert [(c["demonstrations"], c["options"]["legal_actions"]) for c in mine] == [
        *((k, False) for k in (0, 2)),
        *((k, True) for k in (0, 2)),
    ]
    assert list(inside.iterdir()) == []


def test_a_dry_run_at_a_folder_says_what_is_there_already(icil, inside):
    assert icil("run", *SHORT, "--agent", "nearest", "--out", "out").code == 0
    before = {path: path.read_bytes() for path in (inside / "out").iterdir()}
    wider = (*SHORT[:-1], "2,3", "--agent", "nearest", "--agent", "random", "--out", "out")
    told = plan(icil, *wider, "--episodes", "6")
    found = {(c["agent"], c["demonstrations"]): c for c in told["cells"]}
    counts = {key: (c["held"], c["done"], c["to_play"]) for key, c in found.items()}
    assert counts == {
        ("random", 0): (True, 4, 2),
        ("expert", 0): (True, 4, 2),
        ("nearest", 2): (True, 4, 2),
        ("nearest", 3): (False, 0, 6),
    }
    assert (told["episodes"], told["done"], told["to_play"]) == (24, 12, 12)
    assert told["other_cells"] == 1
    assert told["folder"] == "out"
    said = icil("run", *wider, "--dry-run")
    assert "the folder holds 1 more cells, which stay as they are" in said.out
    assert {path: path.read_bytes() for path in (inside / "out").iterdir()} == before
    refused = icil("run", *wider, "--seed", "3", "--dry-run")
    assert refused.code == 2
    assert "out holds another experiment: seed is 0 there and 3 here" in refused.err


def test_json_is_of_a_dry_run(icil, inside):
    said = icil("run", *SHORT, "--json")
    assert (said.code, said.out) == (2, "")
    assert "option --json: it goes with --dry-run" in said.err
    assert list(inside.iterdir()) == []


def test_what_is_left_open_is_as_in_the_folder(icil, inside):
    arguments = (*SHORT, "--seed", "7", "--legal-actions")
    assert icil("run", *arguments, "--agent", "nearest", "--out", "out").code == 0
    said = icil("run", "--agent", "replay", "--out", "out")
    assert said.code == 0
    assert said.err.splitlines()[0] == (
        "as in out: task tic_tac_toe; format ascii; demos 0,2; episodes 4; seed 7; "
        "legal_actions True"
    )
    assert board(inside / "out") == {
        *(("nearest", k) for k in "02"),
        *(("replay", k) for k in "02"),
    }
    told = plan(icil, "--out", "out")
    assert (told["to_play"], told["other_cells"]) == (0, 0)
    assert {cell["agent"] for cell in told["cells"] if cell["asked"]} == {"nearest", "replay"}


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (("--demos", "3"), {("tic_tac_toe", "ascii", one, 3, None) for one in BOTH}),
        (("--context-tokens", "2k"), {
            ("tic_tac_toe", "ascii", "", 0, None),
            *(("tic_tac_toe", "ascii", one, 0, 2000) for one in BOTH),
        }),
        (("--selector", "relevance"), {
            ("tic_tac_toe", "ascii", "", 0, None),
            ("tic_tac_toe", "ascii", "relevance", 2, None),
        }),
        (("--control", "noise=1"), {
            ("tic_tac_toe", "ascii", "", 0, None),
            ("tic_tac_toe", "ascii", "random", 2, None),
            ("tic_tac_toe", "ascii", "random+noise=1", 2, None),
        }),
        (("--task", "gridworld", "--demos", "1"), {
            ("gridworld", f, one, 1, None) for f in ("ascii", "coords", "rgb") for one in BOTH
        }),
    ],
)  # fmt: skip
def test_what_is_given_is_not_filled_in(arguments, cells, icil, inside):
    first = ("--agent", "nearest", "--control", "noise=0.5")
    assert icil("run", *SHORT, *first, "--out", "out").code == 0
    told = plan(icil, *arguments, "--out", "out")
    names = ("task", "format", "selector", "demonstrations", "context_tokens")
    assert {tuple(c[name] for name in names) for c in told["cells"] if c["format"]} == cells


def test_a_file_says_everything(icil, inside):
    assert icil("run", *SHORT, "--agent", "nearest", "--seed", "7", "--out", "out").code == 0
    (inside / "e.yaml").write_text("task: tic_tac_toe\nformat: ascii\ndemos: 3\n")
    said = icil("run", "e.yaml", "--out", "out")
    assert said.code == 2
    assert "seed is 7 there and 0 here" in said.err


def test_an_experiment_file_that_says_all_there_is(icil, inside):
    (inside / "sweep.yaml").write_text(
        """
task: [tic_tac_toe, gridworld]
format: [ascii, coords]
agent: [nearest, replay]
selector: [random, relevance]
control: [noise=0.5]
demos: [0, 1, 4]
context_tokens: [2k]
demo_sets: [null, 2]
legal_actions: [true, false]
reasoning: [false, true]
past_actions: true
layout: [single, chat]
episodes: 5
seed: 3
"""
    )
    told = plan(icil, "sweep.yaml")
    by_agent = {
        name: [cell for cell in told["cells"] if cell["agent"] == name]
        for name in ("random", "expert", "nearest", "replay")
    }
    # 0 demonstrations, then 1, 4 and a budget, chosen and shown in 4 ways, of 2 kinds of sets.
    one = 1 + 3 * 4 * 2
    formats = 1 + 2
    assert {name: len(cells) for name, cells in by_agent.items()} == {
        "random": 2,
        "expert": 2,
        "nearest": formats * one * 2,
        "replay": formats * one,
    }
    assert told["episodes"] == 5 * len(told["cells"])


def test_the_experiment_file_of_the_documentation_names_every_field(icil, inside):
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    (inside / "sweep.yaml").write_text(text)
    # Where selectors' files of scores are stands in their names.
    assert yaml.safe_load(text).keys() == Experiment.model_fields.keys() - {"scores"}
    told = plan(icil, "sweep.yaml")
    assert {cell["agent"] for cell in told["cells"]} >= {"openai/gpt-5", "nearest"}


def test_a_run_leaves_all_results_unless_told_otherwise(icil, inside):
    said = icil("run", *SHORT, "--agent", "nearest", "--report", "--out", "out")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-2:] == ["out/report.html", "run folder: out"]
    left = {path.name for path in (inside / "out").iterdir()}
    assert left >= {
        "experiment.yaml",
        "run.sqlite",
        "leaderboard.csv",
        "leaderboard_overall.csv",
        "comparisons.csv",
        "provenance.csv",
        "figures",
        "report.html",
    }
    # What has not changed is not written again; what has, is.
    page = inside / "out" / "report.html"
    page.write_text("kept")
    assert icil("run", "--out", "out", "--report").code == 0
    assert page.read_text() == "kept"
    assert icil("run", "--out", "out", "--demos", "3", "--no-report").code == 0
    assert page.read_text() == "kept"
    assert icil("run", "--out", "out", "--demos", "4", "--report").code == 0
    assert page.read_text() != "kept"


def test_results_that_cannot_be_written_are_told_and_fail_nothing(icil, inside):
    (inside / "out" / "report.html").mkdir(parents=True)
    refused = icil("run", *SHORT, "--out", "out")
    assert refused.code == 2
    (inside / "out" / "report.html").rmdir()
    assert icil("run", *SHORT, "--out", "out").code == 0
    (inside / "out" / "report.html").mkdir()
    (inside / "out" / "figures").write_text("mine")
    said = icil("run", *SHORT[:-1], "0,3", "--out", "out", "--report")
    assert said.code == 0
    told = " ".join(said.err.split())
    assert "figures could not be written: " in told
    assert "report.html could not be written: " in told
    assert (inside / "out" / "comparisons.csv").exists()
    assert (inside / "out" / "figures").read_text() == "mine"
