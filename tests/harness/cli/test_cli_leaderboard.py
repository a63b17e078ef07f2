"""`icil leaderboard`: what it prints, writes and refuses."""

import csv
import json
import subprocess
import sys

import pytest

SWEEP = ("--task", "gridworld", "--format", "ascii,coords", "--demos", "0,2", "--episodes", "8")
OTHER = ("--task", "gridworld", "--format", "ascii", "--demos", "1", "--agent", "nearest")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with three runs: a sweep, one more number, and fewer episodes."""
    where = tmp_path_factory.mktemp("runs")
    for name, options in {
        "sweep": (*SWEEP, "--selector", "random,relevance"),
        "more": (*OTHER, "--episodes", "8"),
        "few": (*OTHER, "--episodes", "3"),
    }.items():
        command = [sys.executable, "-c", "from icil.harness.cli import main; main()", "run"]
        subprocess.run([*command, *options, "--out", where / name], check=True, capture_output=True)
    return where


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_is_printed_with_its_ties(icil, runs):
    said = icil("leaderboard", runs / "sweep")
    assert (said.code, said.err) == (0, "")
    assert "gridworld · ascii\n" in said.out
    assert "= not told apart from the row above" in said.out
    assert "=2" in said.out.replace(" ", "")


def test_several_runs_are_merged_with_where_they_come_from(icil, runs, tmp_path):
    said = icil("leaderboard", runs / "sweep", runs / "more", "-o", tmp_path / "both.csv")
    assert (said.code, said.out, said.err) == (0, "", "")
    found = rows(tmp_path / "both.csv")
    assert {row["run"] for row in found} == {"sweep", "more"}
    assert {row["ground"] for row in found} == {""}
    ranks = [row["rank"] for row in found if row["format"] == "ascii"]
    assert ranks[0] == "1"
    assert ranks.count("1") <= 2
    assert len({row["experiment_hash"] for row in found}) == 2
    printed = icil("leaderboard", runs / "sweep", runs / "more").out
    assert "run " in printed
    assert "ranked apart" not in printed


def test_runs_of_other_openings_are_ranked_apart(icil, runs):
    said = icil("leaderboard", runs / "more", runs / "few")
    assert said.code == 0
    assert "gridworld · ascii · episodes 3" in said.out
    assert "cells of gridworld that were not played alike are ranked apart" in said.out


def test_a_folder_that_is_named_twice_counts_once(icil, runs):
    once, twice = (icil("leaderboard", *[runs / "few"] * n).out for n in (1, 2))
    assert once == twice


def test_the_other_tables_are_printed(icil, runs):
    overall = icil("leaderboard", runs / "sweep", "--overall").out
    assert "the mean over all numbers of demonstrations" in overall
    assert "2 demonstrations" in overall
    agents = icil("leaderboard", runs / "sweep", "--compare", "agents").out
    assert "agents · gridworld · coords" in agents
    assert "in how many settings" in agents
    selectors = icil("leaderboard", runs / "sweep", "--compare", "selectors").out
    assert "relevance" in selectors
    formats = icil("leaderboard", runs / "more", "--compare", "formats").out
    assert "there is nothing to compare" in formats


def test_success_and_action_errors_are_told_of_each_run(icil, runs):
    success = icil("leaderboard", runs / "more", runs / "few", "--success")
    assert (success.code, success.err) == (0, "")
    for name in ("more", "few"):
        assert f"{name}:\n" in success.out
    actions = icil("leaderboard", runs / "few", "--actions")
    assert (actions.code, actions.err) == (0, "")
    assert actions.out.startswith("no action errors: they are of teacher-forced runs")


def test_published_rows_are_marked_and_have_no_rank(icil, runs, tmp_path):
    said = icil("leaderboard", runs / "more", "--published")
    (line,) = (line for line in said.out.splitlines() if "GPT-4o" in line)
    assert line.split()[:3] == ["†", "GPT-4o", "†"]
    assert "† published by LMAct (Ruoss et al. 2025)" in said.out
    assert icil("leaderboard", runs / "more", "--published", "-o", tmp_path / "a.csv").code == 0
    found = rows(tmp_path / "a.csv")
    theirs = [row for row in found if row["published"]]
    assert {row["rank"] for row in theirs} == {""}
    assert {row["published"] for row in theirs} == {"LMAct (Ruoss et al. 2025)"}
    assert [row["agent"] for row in found if not row["published"]] == ["nearest"]


def test_that_nothing_is_published_is_said(icil, tmp_path):
    where = tmp_path / "run"
    task = ("--task", "metaworld/reach-v3", "--format", "proprio")
    options = ("--agent", "random", "--demos", "0", "--episodes", "1", "--out", where)
    assert icil("run", *task, *options).code == 0
    said = icil("leaderboard", where, "--published")
    assert "nothing is published of these tasks" in said.err
    assert "there are figures of atari/phoenix, cheetah, chess" in said.err
    assert "random" in said.out
    assert icil("leaderboard", where).err == ""


def test_json_is_for_scripts(icil, runs):
    board = json.loads(icil("leaderboard", runs / "sweep", "--json").out)
    assert {"rank", "tied", "run", "score_mean"} <= board["leaderboard"][0].keys()
    assert board["published"] == []
    beside = json.loads(icil("leaderboard", runs / "more", "--published", "--json").out)
    assert beside["published"][0]["source"].startswith("LMAct")
    overall = json.loads(icil("leaderboard", runs / "sweep", "--overall", "--json").out)
    assert overall["overall"][0]["demonstrations"] == "all"
    compared = json.loads(icil("leaderboard", runs / "sweep", "--compare", "agents", "--json").out)
    assert compared["comparisons"][0]["compared"] == "agents"
    assert compared["wins"]


def test_markdown_has_the_same_marks(icil, runs, tmp_path):
    out = tmp_path / "board.md"
    assert icil("leaderboard", runs / "sweep", "-o", out).code == 0
    text = out.read_text(encoding="utf-8")
    assert "## gridworld · ascii\n\n| # | agent |" in text
    assert "| =" in text
    assert "= not told apart" in text
    for option in (("--overall",), ("--compare", "formats"), ("--published",)):
        assert icil("leaderboard", runs / "sweep", *option, "-o", out).code == 0
        lines = [line for line in out.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
        assert len(lines) > 3


def test_parquet_has_types_and_says_what_it_is_of(icil, runs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "board.parquet"
    said = icil("leaderboard", runs / "sweep", runs / "few", "--published", "-o", out)
    assert (said.code, said.err) == (0, "")
    table = parquet.read_table(out)
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["rank"], types["score_mean"], types["tied"]) == ("int64", "double", "bool")
    assert (types["agent"], types["run"], types["published"]) == ("string",) * 3
    told = json.loads(table.schema.metadata[b"icil"])
    assert told["table"] == "leaderboard"
    assert "ranked apart" in told["notes"][0]
    measured = [row for row in table.to_pylist() if not row["published"]]
    assert all(row["tied"] is not None for row in measured)
    for option in (("--overall",), ("--compare", "agents")):
        assert icil("leaderboard", runs / "sweep", *option, "-o", out).code == 0
        assert parquet.read_table(out).num_rows > 2


def test_all_tables_are_written_into_the_folder(icil, runs):
    tables = ("leaderboard.csv", "leaderboard_overall.csv", "comparisons.csv", "wins.csv")
    for name in tables:
        (runs / "sweep" / name).unlink(missing_ok=True)
    assert icil("leaderboard", runs / "sweep", "--write").code == 0
    found = {name: rows(runs / "sweep" / name) for name in tables}
    assert all(found.values())
    assert {row["compared"] for row in found["wins.csv"]} == {"agents", "selectors", "formats"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--overall", "--published"),
            "--success and --actions exclude each other: give one",
        ),
        (("--success", "--actions"), "--success and --actions exclude each other: give one"),
        (("--success", "--json"), "--success prints a table, and goes with no other option"),
        (("--json", "-o", "x.csv"), "--json prints, and -o writes a file: give one"),
        (("-o", "x.xlsx"), "x.xlsx cannot be written: name a file .csv, .md or .parquet"),
        (("--compare", "models"), "'models' is not one of 'agents', 'selectors', 'formats'"),
    ],
)
def test_what_cannot_be_is_one_line(icil, runs, arguments, says):
    said = icil("leaderboard", runs / "few", *arguments)
    assert said.code == 2
    assert says in said.err
    assert len(said.err.splitlines()) == 1
