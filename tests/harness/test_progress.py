"""The lines that tell of a run's progress where there is no terminal to draw in."""

import io

import pytest
from rich.console import Console

from icil.harness import progress
from icil.harness.progress import ProgressBar
from icil.results import Usage


@pytest.fixture
def log():
    return io.StringIO()


def end(bar, count, status="done"):
    for _ in range(count):
        bar.stepped(Usage(cost_usd=0.25))
        bar.ended(status)


def told(log):
    """The lines without the rate, which depends on the machine."""
    parts = [line.split(" · ") for line in log.getvalue().splitlines()]
    return [" · ".join([*some[:2], *some[3:]]) for some in parts]


def test_the_last_line_tells_of_the_end(log, monkeypatch):
    monkeypatch.setattr(progress, "_LOG_INTERVAL_S", 0.0)
    with ProgressBar(5, Console(file=log, width=200)) as bar:
        bar.resumed(1, 0.5)
        end(bar, 1)
        monkeypatch.setattr(progress, "_LOG_INTERVAL_S", 1e9)
        end(bar, 2)
        end(bar, 1, "error")
    assert told(log) == [
        "2/5 episodes · 1 steps · $0.75 · 0 errors",
        "5/5 episodes · 4 steps · $1.50 · 1 errors",
    ]


def test_the_last_line_is_not_written_twice(log, monkeypatch):
    monkeypatch.setattr(progress, "_LOG_INTERVAL_S", 0.0)
    with ProgressBar(2, Console(file=log, width=200)) as bar:
        end(bar, 2)
    assert [line.split()[0] for line in told(log)] == ["1/2", "2/2"]


def test_an_interrupted_run_tells_how_far_it_came(log, monkeypatch):
    monkeypatch.setattr(progress, "_LOG_INTERVAL_S", 0.0)

    def play():
        with ProgressBar(9, Console(file=log, width=200)) as bar:
            end(bar, 1)
            monkeypatch.setattr(progress, "_LOG_INTERVAL_S", 1e9)
            end(bar, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play()
    assert [line.split()[0] for line in told(log)] == ["1/9", "2/9"]


def test_a_short_run_writes_no_line(log):
    with ProgressBar(5, Console(file=log, width=200)) as bar:
        end(bar, 5)
    assert told(log) == []
