"""The lines that tell of a run's progress where there is no terminal to draw in."""

import io

import pytest
from rich.console import Console

from icil.harness.models.asking.trouble import Trouble, tell
from icil.harness.playing import progress
from icil.harness.playing.progress import ProgressBar
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


def test_what_is_wrong_with_a_model_is_told_at_once_and_then_seldom(log):
    with ProgressBar(5, Console(file=log, width=20)) as bar:
        tell(Trouble("local/m@http://here", "connection refused; trying again (2 of 8)"))
        tell(Trouble("local/m@http://here", "connection refused; trying again (3 of 8)"))
        tell(Trouble("openai/m", "[red]"))
        tell(Trouble("local/m@http://here", None))
        end(bar, 1)
    tell(Trouble("openai/n", "nobody listens any more"))
    assert log.getvalue().splitlines() == [
        "local/m@http://here: connection refused; trying again (2 of 8)",
        "openai/m: [red]",
    ]


def test_that_a_model_is_asked_no_more_is_told_at_once(log):
    with ProgressBar(5, Console(file=log, width=200)):
        tell(Trouble("openai/m", "connection refused; trying again (4 of 4)"))
        tell(Trouble("openai/m", "stopped: nobody answers", ended=True))
        assert log.getvalue().splitlines()[1:] == ["openai/m: stopped: nobody answers"]


def test_a_terminal_shows_what_is_wrong_until_the_model_answers(log):
    console = Console(file=log, width=60, force_terminal=True, force_interactive=True)

    def shown():
        bar._bar.refresh()
        drawn = log.getvalue()
        log.truncate(0)
        return drawn

    with ProgressBar(5, console) as bar:
        tell(Trouble("openai/m", "the server answered 500; trying again (2 of 8)"))
        assert "openai/m: the server answered 500; trying again (2" in shown()
        tell(Trouble("openai/m", None))
        assert "openai/m" not in shown()
