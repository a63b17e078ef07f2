"""A run from Python: its cells, episodes, steps and calls as data frames, its prompts, its table.

It is only read, and may be read while it is played: each call shows what is there by then.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from icil.results.frames import open_run
from icil.results.leaderboard import make_leaderboard
from icil.results.store import RunStore
from icil.results.typed import CALLS, CELLS, EPISODES, LEADERBOARD, STEPS, Columns, to_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPart:
    """A part of a prompt, as it was sent."""

    hash: str
    """32 hexadecimal digits."""
    kind: str
    """`text`, `png`, or `said`: a text in the model's role, where the prompt is a conversation."""
    content: bytes
    """UTF-8, or the PNG file."""


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """What was sent at a step, byte for byte."""

    parts: tuple[PromptPart, ...]

    def text(self, image: str = "[image]") -> str:
        """Returns the whole prompt as a text, with a placeholder for each image."""
        return "".join(
            image if part.kind == "png" else part.content.decode() for part in self.parts
        )

    @property
    def images(self) -> tuple[PromptPart, ...]:
        """Those of its parts that are images, each once."""
        found = {part.hash: part for part in self.parts if part.kind == "png"}
        return tuple(found.values())


class Run:
    """A run folder, opened for reading; a context manager.

    Args:
        folder: The folder.

    Raises:
        RunFolderError: There is no run in it.
        StoreError: Its store is damaged, or of a newer version.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._store = open_run(self.folder)

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the store."""
        self._store.close()

    @property
    def store(self) -> RunStore:
        """The store, for what `icil.results` makes of one: `make_gaps(run.store)`."""
        return self._store

    @property
    def meta(self) -> dict[str, Any]:
        """What describes the run, such as its `experiment` and `experiment_hash`."""
        return self._store.meta()

    @property
    def software(self) -> list[dict[str, Any]]:
        """What played: versions of icil, of its code, of Python and of the libraries."""
        rows = self._store.rows("SELECT description FROM software ORDER BY id")[1]
        return [json.loads(text) for (text,) in rows]

    def cells(self) -> "pd.DataFrame":
        """Returns a row for each cell; the columns stand in docs/python.md."""
        return self._frame(CELLS)

    def episodes(self) -> "pd.DataFrame":
        """Returns a row for each episode; the columns stand in docs/python.md."""
        return self._frame(EPISODES)

    def steps(self) -> "pd.DataFrame":
        """Returns a row for each step that counts; the columns stand in docs/python.md."""
        return self._frame(STEPS)

    def calls(self) -> "pd.DataFrame":
        """Returns a row for each answer of a model, those of attempts that were given up too.

        The columns stand in docs/python.md.
        """
        return self._frame(CALLS)

    def leaderboard(self) -> "pd.DataFrame":
        """Returns the leaderboard, with the columns of `leaderboard.csv` and numbers in full."""
        rows = make_leaderboard(self._store).rows
        return to_frame([[getattr(row, name) for name in LEADERBOARD] for row in rows], LEADERBOARD)

    def prompt(self, episode: int, step: int) -> StoredPrompt:
        """Returns what was sent at a step.

        Args:
            episode: The episode's number.
            step: The step's, from 0.

        Raises:
            StoreError: There is no such step, or a part of it is gone.
        """
        parts = []
        for hash in self._store.request(episode, step):
            kind, content = self._store.part(hash)
            parts.append(PromptPart(hash=hash.hex(), kind=kind, content=content))
        return StoredPrompt(tuple(parts))

    def _frame(self, columns: Columns) -> "pd.DataFrame":
        return to_frame(self._store.rows(columns.query)[1], columns.types)


def load(folder: Path | str) -> Run:
    """Opens a run folder for reading, finished or not; see `Run`."""
    return Run(folder)
