"""The runner, the agents and the command line.

The names are imported when they are used: `icil --help` starts by importing this package,
and must not wait for the simulators behind it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from icil.harness.agents import Agent, Capabilities, EpisodeContext, Reply, Turn
    from icil.harness.planning.experiment import Experiment, load_experiment
    from icil.harness.playing.runner import RunSummary, run, run_async
    from icil.harness.testing import FakeModel

_HOMES = {
    "Agent": "agents",
    "Capabilities": "agents",
    "EpisodeContext": "agents",
    "Experiment": "planning.experiment",
    "FakeModel": "testing",
    "Reply": "agents",
    "RunSummary": "playing.runner",
    "Turn": "agents",
    "load_experiment": "planning.experiment",
    "run": "playing.runner",
    "run_async": "playing.runner",
}

__all__ = [
    "Agent",
    "Capabilities",
    "EpisodeContext",
    "Experiment",
    "FakeModel",
    "Reply",
    "RunSummary",
    "Turn",
    "load_experiment",
    "run",
    "run_async",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
