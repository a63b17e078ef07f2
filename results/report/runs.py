"""A run to be reported: its store, cells and episodes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from icil.results.records import CellRecord
from icil.results.store import RunStore

_EXPERIMENT = "experiment.yaml"
"""In a run's folder: the experiment with what is where on this machine."""
_CELLS = """
SELECT id, hash, task, format, agent, selector, demonstrations, context_tokens, options, asked
FROM cells
ORDER BY asked DESC, task, format, agent, selector, context_tokens, demonstrations, id
"""

_EPISODES = """
SELECT e.id, e.cell, e.opening, e.status, e.score, COUNT(s.step), TOTAL(s.status != 'ok'),
       SUM(s.agrees), COUNT(s.agrees)
FROM episodes e
LEFT JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt
WHERE ?1 IS NULL OR e.cell = ?1
GROUP BY e.id
ORDER BY e.cell, e.opening
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeLine:
    """An episode in a list of episodes."""

    id: int
    """Its number in the store."""
    cell: int
    """That of its cell."""
    opening: int
    status: str
    score: float | None
    steps: int
    wrong: int
    """Steps whose reply was empty, invalid or illegal."""
    agreed: int
    """Steps at which the agent chose as the expert would."""
    known: int
    """Steps of which that is known."""

    def to_json(self) -> list[Any]:
        """Returns it as the page has it."""
        numbers = [self.steps, self.wrong, self.agreed, self.known]
        return [self.id, self.opening, self.status, self.score, *numbers]


class ReportedRun:
    """A run to be reported, finished or not.

    Args:
        store: Its store, which is only read.
        name: What it is called in the report; None for its folder's name.
    """

    def __init__(self, store: RunStore, name: str | None = None) -> None:
        self.store, self.meta = store, store.meta()
        self.name = name or store.path.parent.resolve().name

    @property
    def experiment(self) -> Mapping[str, Any]:
        """What was played."""
        found: Mapping[str, Any] = self.meta["experiment"]
        return found

    @cached_property
    def pools(self) -> tuple[Path, ...]:
        """The folders of pools that its experiment file names, which may be gone."""
        import yaml

        try:
            text = (self.store.path.parent / _EXPERIMENT).read_text("utf-8")
            found = yaml.safe_load(text)
        except (OSError, ValueError, RecursionError, yaml.YAMLError):  # none, or not that of a run
            return ()
        named = found.get("pool") if isinstance(found, dict) else None
        paths = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
        return tuple(self.store.path.parent / one for one in paths if "\0" not in one)

    @cached_property
    def cells(self) -> Mapping[int, CellRecord]:
        """Its cells by their numbers in the store: first those that were asked for."""
        found: dict[int, CellRecord] = {}
        for (
            id,
            hash,
            task,
            format,
            agent,
            selector,
            demos,
            tokens,
            options,
            asked,
        ) in self.store.rows(_CELLS)[1]:
            found[id] = CellRecord(
                hash=hash,
                task=task,
                format=format,
                agent=agent,
                selector=selector,
                demonstrations=demos,
                context_tokens=tokens,
                options=json.loads(options),
                asked=bool(asked),
            )
        return found

    def episodes(self, cell: int | None = None) -> tuple[EpisodeLine, ...]:
        """Returns its episodes as they are now, sorted by cell and opening.

        Args:
            cell: The number of the cell whose episodes these are; None for all of them.
        """
        return tuple(
            EpisodeLine(
                id=id,
                cell=cell,
                opening=opening,
                status=status,
                score=score,
                steps=steps,
                wrong=int(wrong),
                agreed=agreed or 0,
                known=known,
            )
            for id, cell, opening, status, score, steps, wrong, agreed, known in (
                self.store.rows(_EPISODES, (cell,))[1]
            )
        )
