"""`icil serve-fake`."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import click
import pytest

from icil.harness.cli.failures import explained
from icil.harness.cli.serve_fake import serve_fake
from icil.harness.fake_server.faults import KINDS

PROGRAM = """
from icil.harness.cli.failures import explained
from icil.harness.cli.serve_fake import serve_fake
with explained():
    serve_fake.main(prog_name="icil serve-fake", standalone_mode=False)
"""


def start(*args):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def served(*args):
    """Runs the command; yields the process and what it prints first."""
    process = start(*args)
    try:
        lines = [process.stdout.readline()]
        while lines[-1] and not lines[-1].startswith("local models"):
            lines.append(process.stdout.readline())
        yield process, "".join(lines)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_to_export_and_serves_until_it_is_interrupted(number):
    with served("--answers", "fixed:hello", "--fault", "503:first=1") as (process, shown):
        (port,) = set(re.findall(r"127\.0\.0\.1:(\d+)", shown))
        url = f"http://127.0.0.1:{port}"
        assert f"export OPENAI_BASE_URL={url}/v1\n" in shown
        assert f"export ANTHROPIC_BASE_URL={url}\n" in shown
        assert f"export GOOGLE_BASE_URL={url}\n" in shown
        assert "OPENAI_API_KEY=any" in shown
        assert f"local/MODEL@{url}/local/v1\n" in shown
        body = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
        request = urllib.request.Request(f"{url}/v1/chat/completions", body)
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request)
        error.value.close()
        assert error.value.code == 503
        with urllib.request.urlopen(request) as answer:
            assert b'"hello"' in answer.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        assert out == "2 requests, 1 of the last 2 with a fault\n"


def test_the_help_names_every_fault():
    shown = serve_fake.get_help(click.Context(serve_fake))
    assert set(KINDS) <= set(re.findall(r"[\w-]+", shown))


def test_a_key_is_not_shown():
    with served("--key", "secret", "--context-tokens", "5") as (_, shown):
        assert "secret" not in shown
        assert "API_KEY" not in shown


def test_a_port_in_use_is_one_line():
    with served() as (_, shown):
        (port,) = set(re.findall(r"127\.0\.0\.1:(\d+)", shown))
        process = start("--port", port)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"icil: port {port} on 127.0.0.1 cannot be listened on: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--fault", "hanging:0.1"], "unknown fault 'hanging'; did you mean 'hang'?"),
        (["--fault", "429"], "fault '429': expected KIND:SHARE"),
        (["--answers", "ecko"], "unknown answers 'ecko'; did you mean 'echo'?"),
        (["--context-tokens", "0"], "Invalid value for '--context-tokens'"),
        (["--latency", "-1"], "Invalid value for '--latency'"),
    ],
)
def test_wrong_usage_is_one_line(capsys, args, message):
    with pytest.raises(SystemExit) as exit, explained():
        serve_fake.main(args, standalone_mode=False)
    out, err = capsys.readouterr()
    assert (exit.value.code, out) == (2, "")
    assert err.startswith(f"icil: {message}")
    assert err.count("\n") == 1
