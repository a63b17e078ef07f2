"""`icil run` with models that cost money: what it asks, and what it says."""

import socket
import sqlite3

import pytest

from icil.harness.estimates.usage_history import FILE_NAME
from icil.harness.fake_server import FaultRule
from icil.harness.models.asking import asker as asking

MODEL = "openai/gpt-4.1"
COMMAND = ("run", "--task", "tic_tac_toe", "--format", "ascii", "--demos", "0", "--episodes", "2")


@pytest.fixture
def go(icil, tmp_path, monkeypatch):
    monkeypatch.setenv("ICIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return lambda *more, agent=MODEL: icil(
        *COMMAND, "--agent", agent, "--out", tmp_path / "run", *more
    )


def test_who_cannot_be_asked_must_say_yes_until_all_is_paid(serve, go):
    server = serve()
    refused = go()
    assert refused.code == 2
    assert "openai/gpt-4.1 costs money" in refused.err
    assert server.total == 0
    assert go("--yes").code == 0
    sent = server.total
    again = go()  # nothing is left that would cost anything
    assert (again.code, again.err, server.total) == (0, "", sent)


def test_what_is_left_out_is_told_once(serve, go):
    serve()
    said = go("--format", "rgb", "--set", f"{MODEL}.max_images=0").err
    assert said.count("takes no images") == 1


def test_an_unknown_price_is_no_sum(serve, go):
    serve()
    said = go(agent="openai/unheard-of").err
    assert "price of openai/unheard-of is not known" in said
    assert "$" not in said


@pytest.mark.parametrize("limit", ["nan", "inf", "-1", "0"])
def test_a_limit_that_is_none_is_refused(serve, go, tmp_path, limit):
    server = serve()
    refused = go("--yes", "--max-cost", limit)
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert (server.total, (tmp_path / "run").exists()) == (0, False)


@pytest.mark.parametrize("content", [b"OPENAI_API_KEY=\xff\xfe", b'A="\0"'])
def test_a_file_of_keys_that_cannot_be_read_is_no_crash(serve, go, tmp_path, content):
    serve()
    (tmp_path / ".env").write_bytes(content)
    refused = go("--yes")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"{tmp_path / '.env'} cannot be read" in refused.err


def test_a_missing_key_is_said_in_one_line(serve, go, monkeypatch):
    serve()
    monkeypatch.delenv("OPENAI_API_KEY")
    refused = go("--yes")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "openai/gpt-4.1 needs a key: set OPENAI_API_KEY" in refused.err


def test_what_a_server_says_does_no_harm_to_a_terminal(serve_strange, go):
    serve_strange(lambda body: (400, {"error": {"message": "\x1b[2J[red]no\ud800\0"}}))
    said = go("--yes")
    assert said.code == 1
    assert "[2J[red]no" in said.err
    assert "\x1b" not in said.err
    assert "Traceback" not in said.err


def test_what_stops_a_model_is_said_once(serve, go):
    server = serve(faults=(FaultRule(kind="404", first=1),))
    said = go("--yes", "--concurrency", 1)
    assert said.code == 1
    assert "was stopped: the server answered 404" in said.err
    assert server.total == 1
    assert go("--yes").code == 0


def test_a_server_that_is_not_there_is_soon_given_up_and_the_run_goes_on_later(
    serve, go, monkeypatch
):
    monkeypatch.setitem(asking.Asker.__init__.__kwdefaults__, "first_wait_s", 0.01)
    with socket.socket() as silent:  # bound, and not listening
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        agent = f"local/m@http://127.0.0.1:{port}"
        said = go("--concurrency", 1, agent=agent)
    assert said.code == 1
    assert f"{agent}/v1: connection refused; trying again (2 of 4)" in said.err
    assert f"was stopped: nobody answers at http://127.0.0.1:{port}/v1: connection refused" in (
        " ".join(said.err.split())
    )
    serve(port=port)
    assert go("--concurrency", 1, agent=agent).code == 0


def remembered(folder):
    """How many cells are kept, by provider."""
    with sqlite3.connect(folder / "cache" / FILE_NAME) as db:
        return dict(db.execute("SELECT provider, COUNT(*) FROM used GROUP BY provider"))


def test_what_another_server_counts_is_never_kept_of_a_provider_s_model(serve, go, tmp_path):
    server = serve()
    agents = ("--agent", f"local/m@{server.urls.local}")
    for _ in range(2):  # the second time nobody is asked
        assert go("--yes", *agents).code == 0
        assert remembered(tmp_path) == {"local": 1}


def test_a_fault_is_told_once_with_its_agent(serve, go):
    serve(faults=(FaultRule(kind="404", share=1.0),))
    said = go("--yes", "--concurrency", 1)
    assert said.code == 1
    ends = said.err.splitlines()
    assert sum("was stopped: the server answered 404" in line for line in ends) == 1
    assert sum(line.startswith(f"{MODEL}: stopped: ") for line in ends) == 1  # when it happened
    assert "×" not in said.err
    assert "(1 episode)" in said.err
