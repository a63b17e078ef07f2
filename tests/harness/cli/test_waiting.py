"""What is told of things that take long: in a log, and in a terminal."""

from io import StringIO

import pytest
from rich.console import Console
from rich.live import Live

from icil.harness.cli import waiting
from icil.harness.cli.waiting import Waiting


@pytest.fixture
def at_once(monkeypatch):
    """Nothing is quick enough not to be spoken of."""
    monkeypatch.setattr(waiting, "_PATIENCE_S", 0.0)


def lines(console):
    return console.file.getvalue().splitlines()


@pytest.mark.usefixtures("at_once")
def test_a_log_has_a_line_now_and_then():
    console = Console(file=StringIO(), width=120)
    with Waiting(console) as tell:
        for done in range(5):
            tell("playing", done, 5)
        tell("playing", 5, 5)
        tell("comparing", 1, 2)
    assert lines(console) == ["playing: 0 of 5", "comparing: 1 of 2"]


def test_what_is_quick_is_not_spoken_of():
    console = Console(file=StringIO(), width=120)
    with Waiting(console) as tell:
        for done in range(6):
            tell("playing", done, 5)
    assert lines(console) == []


@pytest.mark.usefixtures("at_once")
def test_a_log_tells_how_long_it_will_take(monkeypatch):
    monkeypatch.setattr(waiting.time, "monotonic", iter([0.0, 100.0, 200.0]).__next__)
    console = Console(file=StringIO(), width=120)
    with Waiting(console) as tell:
        for done in (0, 10, 95):
            tell("playing", done, 100)
    assert lines(console) == [
        "playing: 0 of 100",
        "playing: 10 of 100, about 15 minutes left",
        "playing: 95 of 100, about 11 s left",
    ]


@pytest.mark.usefixtures("at_once")
def test_a_bar_is_gone_when_its_work_is_done():
    console = Console(file=StringIO(), force_terminal=True, width=120)
    with Waiting(console) as tell:
        tell("playing", 1, 3)
        assert "playing" in console.file.getvalue()
        tell("playing", 3, 3)
        with Live("another one, for which there is room now", console=console):
            pass
        tell("comparing", 1, 2)
    with Live("and after it was left in the middle", console=console):
        pass
