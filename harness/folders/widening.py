"""Widening: what a run folder holds, joined with what is asked for now.

A cell is known by its hash, an episode by its cell and opening. So more tasks, formats, agents,
selectors, controls, numbers, budgets, option values and episodes only add to a run; nothing that
it holds is lost or played again. What is asked for now is played now; the experiment becomes the
smallest sweep that covers both. Where they differ in anything else that cells of both depend on
(the seed, a pool, a setting), the folder is refused.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from icil.harness.planning.cells import Cell
from icil.harness.planning.experiment import SWEPT, Experiment
from icil.harness.planning.plan import Plan, experiment_hash
from icil.results import CellRecord, RunStore
from icil.results.planned import PLANNED, planned_episodes
from icil.tasks.errors import RunFolderError

_LISTS = ("agent", "context_tokens", "demos", "format", "selector")
"""Fields whose values are joined."""
_NAMED = ("pool", "set", "settings", "task")
"""Fields that say something of several things; what is said of the same must be the same."""
_Fields = Mapping[str, Any]

_CELLS = """
SELECT hash, task, format, agent, selector, demonstrations, context_tokens, options, asked
FROM cells ORDER BY id
"""


@dataclass(frozen=True, kw_only=True)
class Widening:
    """A run folder with what is asked for now."""

    meta: Mapping[str, Any]
    """Of the run that it becomes."""
    new: tuple[Cell, ...]
    """Cells that it does not hold yet."""
    changes: bool
    """Whether it becomes another run than it is."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """What decides the run that it becomes; see `Plan.fields`."""
        found: Mapping[str, Any] = self.meta["experiment"]
        return found


def widen(store: RunStore, folder: Path, plan: Plan) -> Widening:
    """Joins what a folder holds with a plan; changes nothing.

    Args:
        store: The folder's store.
        folder: The folder, as it is named in messages.
        plan: What is asked for now.

    Raises:
        RunFolderError: They cannot be in one folder; the message names the fields that differ.
    """
    held = store.meta()
    cells = read_cells(store)
    ours: dict[str, Any] = json.loads(json.dumps(plan.meta))
    joined = _Joined(
        _Side(held.get("experiment") or {}, cells),
        _Side(ours["experiment"], [cell.record for cell in plan.cells]),
    )
    if joined.theirs:
        raise different(folder, joined.theirs, joined.ours)
    meta = {
        **{key: _updated(held.get(key), value) for key, value in ours.items()},
        "experiment": joined.fields,
        "experiment_hash": experiment_hash(joined.fields),
        "formats": _formats(held.get("formats", {}), plan),
        PLANNED: _planned(held, cells, ours, plan.cells, joined.fields["episodes"]),
    }
    before = {PLANNED: {}, **held}
    asked = {cell.hash: cell.asked for cell in cells}
    return Widening(
        meta=meta,
        new=tuple(cell for cell in plan.cells if cell.record.hash not in asked),
        changes=any(before.get(key) != value for key, value in meta.items())
        or any(c.record.asked and not asked.get(c.record.hash) for c in plan.cells),
    )


def read_cells(store: RunStore) -> tuple[CellRecord, ...]:
    """Returns the cells of a store."""
    names, rows = store.rows(_CELLS)
    found = (dict(zip(names, row, strict=True)) for row in rows)
    return tuple(
        CellRecord(**{**one, "options": json.loads(one["options"]), "asked": bool(one["asked"])})
        for one in found
    )


def different(folder: Path, theirs: _Fields, ours: _Fields) -> RunFolderError:
    """Returns what to raise where a folder holds another experiment.

    Args:
        folder: The folder.
        theirs: The fields that differ, as they are there.
        ours: The same fields as they are asked for now.
    """
    theirs, ours = _apart(theirs, ours)
    told = "; ".join(
        f"{key} is {_short(theirs.get(key))} there and {_short(ours.get(key))} here"
        for key in sorted({*theirs, *ours})
    )
    return RunFolderError(
        f"{folder} holds another experiment: {told}; name another folder, or give the same "
        "options to go on with it"
    )


@dataclass(frozen=True)
class _Side:
    """An experiment's fields, and its cells."""

    fields: _Fields
    cells: Sequence[CellRecord]

    @property
    def parts(self) -> set[str]:
        """Everything that could have settings, named as in the fields."""
        return {
            name
            for cell in self.cells
            for name in (
                f"task {cell.task}",
                f"agent {cell.agent}",
                f"selector {cell.selector}",
                f"controls {cell.selector} of {cell.task} {cell.format}",
            )
        }

    def depends(self, name: str) -> bool:
        """Returns whether any cell depends on a field that does not concern all agents."""
        if name == "template":
            return any("template" in cell.options for cell in self.cells)
        settings: Mapping[str, Mapping[str, Any]] = self.fields.get("settings", {})
        return any(who.startswith("agent ") and name in one for who, one in settings.items())


_NOT_FOR_ALL = ("max_output_tokens", "temperature", "template")
"""Fields that concern only some agents: models."""


@dataclass
class _Joined:
    """Two experiments as one, or what keeps them from being one."""

    there: _Side
    here: _Side
    fields: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    """What differs and may not, as it is there."""
    ours: dict[str, Any] = field(default_factory=dict)
    """The same, as it is here."""

    def __post_init__(self) -> None:
        there, here = self.there.fields, self.here.fields
        for name in {**there, **here}:
            if name not in there or name not in here:
                self._differs(name, there.get(name), here.get(name))
            elif there[name] == here[name]:
                self.fields[name] = there[name]
            else:
                self._join(name, there[name], here[name])

    def _join(self, name: str, there: Any, here: Any) -> None:
        """Joins a field that is not the same."""
        if name in _LISTS:
            self.fields[name] = sorted({*there, *here})
        elif name in SWEPT:
            both = Experiment.model_validate({name: [*_listed(there), *_listed(here)]})
            self.fields[name] = both.model_dump(mode="json")[name]
        elif name == "episodes":
            self.fields[name] = max(there, here)
        elif name in _NAMED:
            self.fields[name] = {**there, **here}
            if changed := self._changed(name, there, here):
                of = ({key: one[key] for key in changed if key in one} for one in (there, here))
                self._differs(name, *of)
        elif name in _NOT_FOR_ALL and not self.there.depends(name):
            self.fields[name] = here
        elif name in _NOT_FOR_ALL and not self.here.depends(name):
            self.fields[name] = there
        else:
            self._differs(name, there, here)

    def _changed(self, name: str, there: _Fields, here: _Fields) -> list[str]:
        """Returns of which things that are on both sides something else is said."""
        if name == "set":  # what it decides stands in the settings
            return []
        both: Iterable[str] = there.keys() & here.keys()
        if name == "settings":
            both = self.there.parts & self.here.parts
        return sorted(key for key in both if there.get(key) != here.get(key))

    def _differs(self, name: str, there: Any, here: Any) -> None:
        self.theirs[name], self.ours[name] = there, here


def _apart(one: _Fields, other: _Fields) -> tuple[_Fields, _Fields]:
    """Returns of two maps what differs, also in the maps that both hold under one key."""
    missing, left, right = object(), dict(one), dict(other)
    for key in one.keys() | other.keys():
        mine, theirs = one.get(key, missing), other.get(key, missing)
        if mine == theirs:
            del left[key], right[key]
        elif isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            left[key], right[key] = _apart(mine, theirs)
    return left, right


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        # A hash is known by its beginning; settings may differ in their last digit.
        short = {k: v[:12] if isinstance(v, str) else _whole(v) for k, v in value.items()}
        return ", ".join(f"{k} {v}" for k, v in sorted(short.items())) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _whole(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{k} {_whole(v)}" for k, v in sorted(value.items())) + ")"
    return str(value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _updated(held: Any, value: Any) -> Any:
    """Returns what `meta` says of more than was there; of one thing it says what it said first."""
    if isinstance(held, Mapping) and isinstance(value, Mapping):
        return {**held, **value}
    return value if held is None else held


def _formats(held: Mapping[str, list[str]], plan: Plan) -> dict[str, list[str]]:
    """Returns the formats that each task is played in, in the task's order."""
    found = dict(held)
    for name, task in plan.tasks.items():
        both = {*held.get(name, ()), *task.formats}
        found[name] = [format for format in task.task.formats if format in both]
    return found


def _planned(
    there: Mapping[str, Any],
    held: Iterable[CellRecord],
    here: Mapping[str, Any],
    asked: Iterable[Cell],
    episodes: int,
) -> dict[str, int]:
    """Returns how many episodes cells are to have, where it is not the experiment's number.

    Args:
        there: What describes the run.
        held: Its cells.
        here: What describes the plan.
        asked: The plan's cells.
        episodes: The experiment's number.
    """
    counts = {cell.hash: planned_episodes(there, cell.hash) for cell in held}
    now: int = here["experiment"]["episodes"]
    for cell in asked:
        counts[cell.record.hash] = max(now, counts.get(cell.record.hash, 0))
    return {cell: count for cell, count in sorted(counts.items()) if count != episodes}
