"""LMAct's published demonstrations as a source.

Its data hold a folder for each world, and in it `demonstration_*` folders with a bag file for
each stream, a record a step: the observations in several formats, and the actions. There are no
rewards, and nothing after the last action.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from icil.tasks.errors import PoolError, UsageError
from icil.tasks.exchange.lmact_worlds import (
    CheetahRecording,
    ChessRecording,
    CrosswordRecording,
    GridworldRecording,
    LMActRecording,
    TicTacToeRecording,
)
from icil.tasks.exchange.sources import Recordings
from icil.tasks.pools import Origin
from icil.tasks.task import Task

LICENCE = "CC-BY-4.0"
"""What LMAct's repository states for all that is not code."""


@dataclass(frozen=True, kw_only=True)
class World:
    """One of LMAct's worlds."""

    folder: str
    recording: type[LMActRecording]
    expert: str
    """Who demonstrates, as LMAct describes it."""
    expert_settings: Mapping[str, Any] = field(default_factory=dict)


WORLDS: Mapping[str, World] = {
    "cheetah": World(
        folder="dm_control_cheetah_run",
        recording=CheetahRecording,
        expert="trained agent, its best episodes",
    ),
    "chess": World(
        folder="chess",
        recording=ChessRecording,
        expert="stockfish",
        expert_settings={"skill": 20, "milliseconds": 50},
    ),
    "crossword": World(
        folder="crossword", recording=CrosswordRecording, expert="solution in random order"
    ),
    "gridworld": World(
        folder="grid_world_12x12", recording=GridworldRecording, expert="random shortest path"
    ),
    "tic_tac_toe": World(folder="tic_tac_toe", recording=TicTacToeRecording, expert="minimax"),
}
"""The names of tasks to the worlds that they are."""

_NAMES = {"atari_phoenix", *(world.folder for world in WORLDS.values())}


def read_lmact(where: str, task: Task[Any]) -> Recordings:
    """Finds the demonstrations of a task.

    Args:
        where: The folder of all worlds, or that of one.
        task: The task.

    Raises:
        UsageError: LMAct has no demonstrations of this task, or none that can be played.
        PoolError: There are none in the folder.
    """
    world = _world(task)
    folder = _folder(Path(where), world, task)
    found = sorted(_demonstrations(folder), key=_number)
    return Recordings(
        origin=Origin(
            expert=world.expert,
            expert_settings=world.expert_settings,
            licence=LICENCE,
            source=f"LMAct, {world.folder} (Ruoss et al. 2025, arXiv 2412.01441)",
        ),
        count=len(found),
        episodes=(world.recording(path, number) for number, path in enumerate(found)),
    )


def _world(task: Task[Any]) -> World:
    if task.name == "atari/phoenix":
        raise UsageError(
            "LMAct's demonstrations of Phoenix cannot be imported: they hold frames and actions, "
            "but neither the emulator's states nor the seeds of its sticky actions, and so cannot "
            "be played again"
        )
    if task.name not in WORLDS:
        raise UsageError(
            f"LMAct has no demonstrations of {task.name}, only of {', '.join(sorted(WORLDS))}"
        )
    return WORLDS[task.name]


def _folder(where: Path, world: World, task: Task[Any]) -> Path:
    if not where.is_dir():
        raise PoolError(f"there is no folder {where}")
    if any(_demonstrations(where / world.folder)):
        return where / world.folder
    if where.name in _NAMES - {world.folder}:
        raise PoolError(f"{where} is another world; {task.name} is LMAct's {world.folder}")
    if not any(_demonstrations(where)):
        raise PoolError(
            f"{where} holds neither demonstration_* folders nor a {world.folder} folder with them"
        )
    return where


def _demonstrations(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("demonstration*") if path.is_dir())


def _number(path: Path) -> list[tuple[int, str]]:
    """Returns what sorts names by the numbers in them: 2 before 10."""
    return [(int(part or 0), word) for word, part in re.findall(r"(\D*)(\d*)", path.name)]
