"""Stockfish as a player: where the engine is found, how strong it plays, how long it thinks."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import chess

from icil.tasks.chess.engines import EngineKind, EnginePool, engine_pool
from icil.tasks.errors import UsageError

VARIABLE = "ICIL_STOCKFISH"
"""The environment variable that names the engine's executable."""
TIMEOUT_S = 30.0
"""How long an engine's answer may take, in seconds, before it is killed and asked again."""
HASH_MB = 16
"""The engine's table of positions, in megabytes."""

_ELSEWHERE = Path("/usr/games/stockfish")
"""Where Debian puts it; not on every user's PATH."""
_LIMITS = {"milliseconds": "movetime", "nodes": "nodes", "depth": "depth"}
_STRONGEST = 20
_LONGEST_TIMEOUT_S = 86_400.0


@dataclass(frozen=True)
class Stockfish:
    """A player. Making one starts nothing; engines are shared, see `icil.tasks.chess.engines`.

    Args:
        engine: The executable; None for `$ICIL_STOCKFISH`, else `stockfish` on PATH or where
            Debian puts it.
        skill: From 0 (weakest) to 20.
        limit: How long it thinks: one or more of `milliseconds`, `nodes` and `depth`.
        timeout_s: How long an answer may take, in seconds, before the engine counts as hung.

    Raises:
        UsageError: A setting has a value that it cannot have.
    """

    engine: str | None
    skill: int
    limit: Mapping[str, int]
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        if not isinstance(self.engine, str | None):
            raise UsageError(f"the engine of chess is the path of a program, not {self.engine!r}")
        if type(self.skill) is not int or not 0 <= self.skill <= _STRONGEST:
            raise UsageError(f"a skill of Stockfish is 0 to {_STRONGEST}, not {self.skill!r}")
        if not _is_limit(self.limit):
            raise UsageError(
                f"a limit of Stockfish is one or more of {', '.join(_LIMITS)}, each a whole "
                f"number above 0, such as {{nodes: 1}}, not {self.limit!r}"
            )
        if type(self.timeout_s) not in (int, float) or not 0 < self.timeout_s <= _LONGEST_TIMEOUT_S:
            raise UsageError(
                "engine_timeout_s is a number of seconds above 0 and up to "
                f"{_LONGEST_TIMEOUT_S:g}, not {self.timeout_s!r}"
            )

    def choose(self, board: chess.Board) -> chess.Move:
        """Returns its move.

        At full strength and limited by nodes or depth alone, this depends on the game so far and
        nothing else, since the engine forgets what it searched before.

        Raises:
            UsageError: There is no engine, or it keeps failing.
        """
        forget = self.skill == _STRONGEST and "milliseconds" not in self.limit
        return self._pool.choose(board, self._go, forget=forget)

    @property
    def settings(self) -> dict[str, Any]:
        """What it is, with the engine's name and version; JSON.

        Raises:
            UsageError: There is no engine.
        """
        return {
            "engine": self._pool.name(),
            "skill": self.skill,
            **self.limit,
            "threads": 1,
            "hash_mb": HASH_MB,
        }

    @cached_property
    def _go(self) -> str:
        return " ".join(f"{_LIMITS[key]} {value}" for key, value in self.limit.items())

    @cached_property
    def _kind(self) -> EngineKind:
        options = {"Threads": 1, "Hash": HASH_MB, "Skill Level": self.skill}
        return EngineKind(
            path=find_stockfish(self.engine),
            options=tuple(options.items()),
            timeout_s=self.timeout_s,
        )

    @property
    def _pool(self) -> EnginePool:
        return engine_pool(self._kind)


def _is_limit(limit: object) -> bool:
    return (
        isinstance(limit, Mapping)
        and len(limit) > 0
        and all(key in _LIMITS and type(n) is int and n > 0 for key, n in limit.items())
    )


def find_stockfish(engine: str | None = None) -> str:
    """Returns the path of the engine's executable.

    Args:
        engine: A path, or a name on PATH; None to look for it.

    Raises:
        UsageError: There is none; the message says how to get it.
    """
    named = engine or os.environ.get(VARIABLE)
    for candidate in (named,) if named else ("stockfish", str(_ELSEWHERE)):
        if found := shutil.which(candidate):
            return found
    missing = f"no chess engine at {named}" if named else "no Stockfish on PATH"
    raise UsageError(
        f"{missing}; install one (Debian and Ubuntu: `apt-get install stockfish`, macOS: "
        f"`brew install stockfish`) or name its executable in ${VARIABLE}"
    )
