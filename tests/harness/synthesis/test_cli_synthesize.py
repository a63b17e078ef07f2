"""`icil demos synthesize` as a command: what it says, goes on with, and refuses."""

import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

from icil.harness.fake_server import ServerSettings, serve_in_thread
from icil.tasks import load_pool


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def perturbed(*arguments):
    return ("demos", "synthesize", "tic_tac_toe", "--proposer", "perturbed", *arguments)


def test_a_perturbed_experts_pool_is_made_described_and_verified(icil, tmp_path):
    said = icil(
        *perturbed("--episodes", 60, "--filter", "return>=median", "--filter", "distinct"),
        *("--workers", 2, "--add", "--out", "made"),
    )
    assert said.code == 0, said
    card = json.loads((tmp_path / "made" / "card.json").read_text(encoding="utf-8"))
    how = card["synthesis"]
    dropped = [one["dropped"] for one in how["filters"]]
    assert said.out.splitlines() == [
        "60 episodes of perturbed",
        f"return>=median (1): {dropped[0]} dropped",
        f"distinct: {dropped[1]} dropped",
        f"made: {1000 + how['kept']} demonstrations, {how['kept']} of them synthetic, mean return "
        f"{card['return_mean']:g}",
    ]
    assert 60 - sum(dropped) == how["kept"] > 0
    info = icil("demos", "info", "made")
    assert "synthesis: proposer" in info.out
    assert f"return>=median (1): {dropped[0]} dropped; distinct: {dropped[1]} dropped" in info.out
    verified = icil("demos", "verify", "made")
    assert verified.out.startswith(f"{card['demonstrations']} demonstrations, ")
    played = icil(
        *("run", "--task", "tic_tac_toe", "--format", "ascii", "--agent", "nearest"),
        *("--demos", 4, "--episodes", 3, "--pool", "made", "--out", "run"),
    )
    assert played.code == 0, played


def test_an_agent_proposes(icil):
    said = icil(
        *("demos", "synthesize", "tic_tac_toe", "--proposer", "nearest", "--demos", 4),
        *("--format", "rgb", "--episodes", 6, "--legal-actions", "--out", "made"),
    )
    assert said.code == 0, said
    how = load_pool_card("made")
    assert (how.demonstrations, how.generated, how.kept) == (4, 6, 6)
    assert how.settings["format"] == "rgb"
    assert how.settings["legal_actions"] is True


def load_pool_card(folder):
    from pathlib import Path

    return load_pool(Path(folder)).card.synthesis


def test_missing_episodes_are_told_and_the_same_command_goes_on(icil, tmp_path, monkeypatch):
    (tmp_path / "cli_proposer.py").write_text(
        "import os\n"
        "def play(task, env, rng):\n"
        "    if not os.path.exists('mended') and rng.random() < 0.2: raise OSError('no line')\n"
        "    return task.legal_actions(env)[0]\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    command = ("demos", "synthesize", "tic_tac_toe", "--proposer", "cli_proposer:play")
    command += ("--episodes", 20, "--out", "made")
    said = icil(*command)
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("icil: ")
    assert "of 20 episodes of cli_proposer:play are missing: cli_proposer:play failed" in said.err
    assert "OSError: no line" in said.err
    assert "Traceback" not in said.err
    partial = icil(*command[:-1], "partial", "--partial")
    assert partial.code == 0
    assert 0 < load_pool_card("partial").generated < 20
    (tmp_path / "mended").write_text("", encoding="utf-8")
    assert icil(*command).code == 0
    assert load_pool_card("made").generated == 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--filter", "retrun>=1"), "unknown filter 'retrun'; did you mean 'return'?"),
        (("--filter", "return>=x"), "filter 'return>=x': expected return>=X, return>=median, "),
        (("--filter", "likert:nearest"), "nearest reads no prompts, and so rates nothing"),
        (("--demos", "4"), "option --demos: a perturbed expert is shown nothing"),
        (("--legal-actions",), "option --legal-actions: a perturbed expert is shown nothing"),
        (("--episodes", "0"), "option --episodes: expected a whole number, 1 or more, got 0"),
        (("--pool", "nowhere"), "no pool of demonstrations at nowhere"),
        (("--set", "chess.language=uci"), "in the setting 'chess.language': 'chess'"),
        (("--proposer", "perturbed:noise=x"), "expected a noise from 0 to 1, got 'x'"),
        (("--proposer", "perturbt"), "unknown proposer 'perturbt'; did you mean 'perturbed'?"),
        (
            ("--proposer", "nearest", "--workers", "2"),
            "option --workers: only a perturbed expert plays in processes of its own",
        ),
        (
            ("--proposer", "nearest", "--format", "ascii,rgb"),
            "option --format: expected one, got ascii, rgb",
        ),
        (("--proposer", "nearest", "--demos", "many"), "option --demos[0]: expected whole numbers"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(icil, tmp_path, arguments, said):
    failed = icil(*perturbed("--out", "made"), *arguments)
    assert failed.code == 2, failed
    assert failed.out == ""
    assert failed.err.count("\n") == 1
    assert said in failed.err
    assert list(tmp_path.iterdir()) == []


def test_a_pool_is_not_overwritten_and_a_filter_can_be_changed(icil, tmp_path):
    failed = icil(*perturbed("--episodes", 20, "--filter", "return>=3", "--out", "made"))
    assert failed.code == 2
    assert "the highest return is 1; they are kept beside made for other filters" in failed.err
    assert [one.name for one in tmp_path.iterdir()] == ["made.proposals.jsonl"]
    command = perturbed("--episodes", 20, "--filter", "return>=1", "--out", "made")
    assert icil(*command).code == 0
    before = (tmp_path / "made" / "card.json").read_bytes()
    again = icil(*command)
    assert (again.code, again.err) == (2, "icil: made exists already; a pool is not overwritten\n")
    assert (tmp_path / "made" / "card.json").read_bytes() == before


def test_killed_again_and_again_it_makes_the_same_pool(tmp_path, command):
    arguments = [*command, *map(str, perturbed("--episodes", 1500, "--filter", "distinct"))]
    whole = [*arguments, "--out", "whole"]
    subprocess.run(whole, check=True, stdout=subprocess.DEVNULL, timeout=120)
    journal, lines = tmp_path / "killed.proposals.jsonl", 0

    def written():
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    for _ in range(3):
        process = subprocess.Popen([*arguments, "--out", "killed"], stdout=subprocess.DEVNULL)
        while process.poll() is None and written() < lines + 20:
            time.sleep(0.002)
        process.kill()
        process.wait(timeout=60)
        assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
        assert not (tmp_path / "killed").exists()
        assert written() > lines
        lines = written()
    subprocess.run(
        [*arguments, "--out", "killed"], check=True, stdout=subprocess.DEVNULL, timeout=120
    )
    for name in ("card.json", "traces.jsonl.gz"):
        one, other = ((tmp_path / pool / name).read_bytes() for pool in ("whole", "killed"))
        assert one == other


def test_interrupted_it_says_how_to_go_on(tmp_path, command):
    arguments = [*command, *map(str, perturbed("--episodes", 100_000, "--out", "made"))]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    journal = tmp_path / "made.proposals.jsonl"
    while process.poll() is None and not (
        journal.exists() and b"\n0" in journal.read_bytes()[:9999]
    ):
        time.sleep(0.01)
        if journal.exists() and journal.stat().st_size > 5000:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "stopped; the same command goes on (made)" in err
    assert "Traceback" not in err


@pytest.fixture
def servers(monkeypatch):
    """A hosted model that plays, and one of one's own that rates."""
    with (
        serve_in_thread(ServerSettings()) as player,
        serve_in_thread(ServerSettings(answers="fixed:4")) as rater,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", player.urls.openai)
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-tests")
        yield player, rater


def asked_of(server):
    return sum(request.method == "POST" for request in server.requests)


def test_models_are_asked_paid_and_limited(icil, servers, tmp_path):
    player, rater = servers
    command = ("demos", "synthesize", "tic_tac_toe", "--proposer", "openai/gpt-4.1", "--demos", 2)
    command += ("--legal-actions", "--episodes", 6, "--out", "made")
    command += ("--filter", f"likert:local/m@{rater.urls.local}:prompts=2")
    refused = icil(*command)
    assert refused.code == 2
    assert "openai/gpt-4.1 costs money, and there is no terminal to ask at" in refused.err
    assert list(tmp_path.iterdir()) == []
    assert asked_of(player) == 0

    limited = icil(*command, "--yes", "--max-cost", 0.018, "--concurrency", 1)
    assert limited.code == 3, limited
    assert "episodes of openai/gpt-4.1 are missing: $" in limited.err
    assert [one.name for one in tmp_path.iterdir()] == ["made.run"]

    assert icil(*command, "--yes", "--max-cost", 5).code == 0
    asked, rated = asked_of(player), asked_of(rater)
    how = load_pool_card("made")
    assert (how.generated, how.kept, rated) == (6, 6, 12)
    assert [(one.threshold, one.dropped) for one in how.filters] == [(4, 0)]
    other = (*command[:-2], "--filter", "return>=-1", *command[-2:], "--proposals", "made")
    assert icil(*[*other, "--out", "other"]).code == 0
    assert (asked_of(player), asked_of(rater)) == (asked, rated)
    with sqlite3.connect(tmp_path / "made.run" / "run.sqlite") as db:
        (paid,) = db.execute("SELECT COUNT(*) FROM steps").fetchone()
    db.close()
    assert paid == asked
