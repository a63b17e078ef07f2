"""Pools: the demonstrations on disk for one task and expert.

A pool is a folder with `card.json` (what it is, for people and for checks) and
`traces.jsonl.gz` (one demonstration a line). The same openings and expert give the same
bytes. The hash in the card is that of the traces, and is what a run records.
"""

import gzip
import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from icil.tasks.demonstrations import Demonstration
from icil.tasks.errors import PoolError
from icil.tasks.openings import Split
from icil.tasks.players import make_player
from icil.tasks.task import Task

_CARD, _TRACES = "card.json", "traces.jsonl.gz"
_LINE = TypeAdapter(Demonstration)
_SHIPPED = Path(__file__).parent / "pools"
_REMEDY = "copy or build the pool anew"


class Predictability(BaseModel):
    """How well the agent `nearest` foretells what the expert does in episodes it was not shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    """What it looked at."""
    shown: int
    """Demonstrations that it was shown, the first of the pool."""
    held_out: int
    """Demonstrations whose actions it foretold, the last of the pool."""
    nearest: float
    """The share of their steps in which it was right."""
    commonest: float
    """The share of their steps whose action is the commonest one among those shown."""


class Sifted(BaseModel):
    """What a filter did to synthetic demonstrations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    filter: str
    """As it was asked for: `return>=median`."""
    threshold: float | None = None
    """What that came to; None where there is nothing to compare."""
    dropped: int
    """Of those that the filters before it had kept."""

    def __str__(self) -> str:
        at = "" if self.threshold is None else f" ({self.threshold:g})"
        return f"{self.filter}{at}: {self.dropped} dropped"


class Synthesis(BaseModel):
    """How synthetic demonstrations came about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    proposer: str
    """Who played."""
    settings: dict[str, Any]
    """What else decided how it played."""
    demonstrations: int
    """How many real ones it was shown."""
    pool: str
    """The hash of the pool of the real ones."""
    generated: int
    """Episodes that were played."""
    wrong: int
    """Those in which a reply was no legal action and was replaced by a random one."""
    filters: tuple[Sifted, ...]
    """In the order in which they were applied."""
    kept: int
    """Episodes that all filters kept."""
    added_to: str | None = None
    """The hash of the pool that they were added to; None for those that are alone."""


class PoolCard(BaseModel):
    """What a pool is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: Literal[1] = 1
    """The version of the files' layout."""
    task: str
    task_version: int
    task_settings: dict[str, Any]
    """Those that differ from the defaults."""
    split: Split = "demonstration"
    """Whose openings these are; those of the evaluation split are never shown to a model."""
    expert: str
    expert_settings: dict[str, Any]
    made_by: str
    """The software and its version."""
    demonstrations: int
    played: int
    """Of how many episodes these are the ones with the best returns."""
    distinct_openings: int
    """How many different starting states there are among the openings."""
    return_mean: float
    return_std: float
    steps_mean: float
    steps_min: int
    steps_max: int
    licence: str
    source: str | None = None
    """Where they were imported from; None for those that this software made."""
    predictability: Predictability | None = None
    """None where it was not measured."""
    synthesis: Synthesis | None = None
    """None for a pool without synthetic demonstrations."""
    hash: str
    """SHA-256 of the traces, uncompressed, as 64 hexadecimal digits."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who made demonstrations; see `PoolCard`."""

    expert: str
    expert_settings: Mapping[str, Any]
    licence: str | None = None
    """None for the task's."""
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Demonstrations of one task, in a fixed order."""

    card: PoolCard
    demonstrations: tuple[Demonstration, ...]
    part_of: "Pool | None" = field(default=None, repr=False, compare=False)
    """The whole pool; None where this is it."""

    @property
    def hash(self) -> str:
        """The hash of the whole pool, also for a part of it (`without`)."""
        return self.card.hash

    @cached_property
    def passing(self) -> Mapping[str, frozenset[str]]:
        """State digests to the ids of the demonstrations that pass through that state."""
        through: dict[str, set[str]] = {}
        for demonstration in self.demonstrations:
            for state in demonstration.states:
                through.setdefault(state, set()).add(demonstration.id)
        return {state: frozenset(ids) for state, ids in through.items()}

    @cached_property
    def by_id(self) -> Mapping[str, Demonstration]:
        """Ids to demonstrations."""
        return {demonstration.id: demonstration for demonstration in self.demonstrations}

    def without(self, ids: frozenset[str]) -> "Pool":
        """Returns the pool less some demonstrations, in the same order."""
        if not ids:
            return self
        kept = tuple(d for d in self.demonstrations if d.id not in ids)
        return replace(self, demonstrations=kept, part_of=self.part_of or self)


def make_pool(
    task: Task[Any],
    demonstrations: Iterable[Demonstration],
    *,
    played: int | None = None,
    split: Split = "demonstration",
    player: str = "expert",
    origin: Origin | None = None,
) -> Pool:
    """Makes a pool, with its card, of demonstrations at hand.

    Args:
        task: The task.
        demonstrations: All of the pool.
        played: Of how many they are the best; None if of no others.
        split: Whose openings they are.
        player: Who played them; see `make_player`.
        origin: Who made them, if not this software's players; no expert is asked then.

    Raises:
        PoolError: There are none, or one has no steps.
    """
    chosen = tuple(demonstrations)
    if not chosen:
        raise PoolError(f"a pool of {task.name} needs at least one demonstration")
    if empty := [d.id for d in chosen if not d.steps]:
        raise PoolError(f"demonstration {empty[0]} of {task.name} has no steps")
    returns = np.array([d.total for d in chosen])
    lengths = np.array([len(d.steps) for d in chosen])
    if origin is None:
        with closing(make_player(task, player)) as expert:
            origin = Origin(expert=expert.name, expert_settings=expert.settings)
    card = PoolCard(
        task=task.name,
        task_version=task.version,
        task_settings=dict(task.pool_settings),
        split=split,
        expert=origin.expert,
        expert_settings=dict(origin.expert_settings),
        made_by=f"icil {version('icil')}",
        demonstrations=len(chosen),
        played=played or len(chosen),
        distinct_openings=len({d.steps[0].state for d in chosen}),
        return_mean=round(float(returns.mean()), 6),
        return_std=round(float(returns.std(ddof=1)), 6) if len(chosen) > 1 else 0.0,
        steps_mean=round(float(lengths.mean()), 6),
        steps_min=int(lengths.min()),
        steps_max=int(lengths.max()),
        licence=origin.licence or task.licence,
        source=origin.source,
        hash=hashlib.sha256(_lines(chosen)).hexdigest(),
    )
    return Pool(card=card, demonstrations=chosen)


def save_pool(pool: Pool, folder: Path) -> None:
    """Writes a pool into a folder that does not exist yet, whole or not at all.

    Raises:
        PoolError: The folder exists, or cannot be written.
    """
    if folder.exists():
        raise PoolError(f"{folder} exists already; a pool is not overwritten")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary) / "pool"
            made.mkdir()
            save_card(pool.card, made)
            traces = gzip.compress(_lines(pool.demonstrations), compresslevel=9, mtime=0)
            (made / _TRACES).write_bytes(traces)
            made.rename(folder)
    except OSError as error:
        raise PoolError(f"cannot write the pool {folder}: {error}") from error


def save_card(card: PoolCard, folder: Path) -> None:
    """Writes what a pool is into its folder, whole or not at all, in place of what stands there.

    What is as in most pools (no source, the demonstration split) is not written.

    Raises:
        PoolError: It cannot be written.
    """
    path = (folder / _CARD).resolve()  # an editable install has links in its place
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
            made = Path(temporary) / _CARD
            fields = card.model_dump(mode="json", exclude_defaults=True)
            text = json.dumps({"layout": card.layout, **fields}, indent=2, ensure_ascii=False)
            made.write_text(text + "\n", encoding="utf-8")
            made.replace(path)
    except OSError as error:
        raise PoolError(f"cannot write {path}: {error}") from error


def read_card(folder: Path) -> PoolCard:
    """Reads what a pool is.

    Raises:
        PoolError: There is no pool there, or its card is damaged.
    """
    try:
        return PoolCard.model_validate_json((folder / _CARD).read_bytes())
    except OSError as error:
        raise PoolError(f"no pool of demonstrations at {folder}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == ("layout",):
            raise PoolError(
                f"{folder / _CARD} is of layout {first['input']!r:.20}; this icil reads layout 1, "
                "another version of it made this pool"
            ) from error
        raise PoolError(f"{folder / _CARD} is damaged: {_first(error)}; {_REMEDY}") from error


def load_pool(folder: Path) -> Pool:
    """Reads a pool and checks it against its hash.

    Raises:
        PoolError: There is no pool there, or it is damaged.
    """
    card = read_card(folder)
    path = folder / _TRACES
    try:
        lines = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        why = getattr(error, "strerror", None) or error
        raise PoolError(f"{path} cannot be read: {why}; {_REMEDY}") from error
    if hashlib.sha256(lines).hexdigest() != card.hash:
        raise PoolError(
            f"{path} is damaged: its content does not have the hash in {_CARD}; {_REMEDY}"
        )
    try:
        demonstrations = tuple(_LINE.validate_json(line) for line in lines.splitlines())
    except ValidationError as error:
        raise PoolError(f"{path} does not hold demonstrations: {_first(error)}") from error
    if not all(d.steps for d in demonstrations):
        raise PoolError(f"{path} is damaged: a demonstration has no steps")
    if len({d.id for d in demonstrations}) != card.demonstrations or not demonstrations:
        raise PoolError(
            f"{folder} is damaged: {_CARD} tells of {card.demonstrations} demonstrations with ids "
            f"of their own, {_TRACES} has {len(demonstrations)}"
        )
    return Pool(card=card, demonstrations=demonstrations)


def load_pool_for(task: Task[Any], folder: Path | None = None) -> Pool:
    """Reads a task's pool.

    Args:
        task: The task.
        folder: Where; None for the pool that ships with icil.

    Raises:
        PoolError: There is none, it is damaged, or it is of another task or version.
    """
    where = folder or shipped_pool(task.name)
    if folder is None and not where.exists():
        how = f"make one with `icil demos build {task.name} --out DIR`"
        if not task.plain.has_expert:
            how = "as it is set it has no expert to make one, so bring one (`icil demos import`)"
        raise PoolError(f"no pool of {task.name} ships with icil; {how} and name it with `--pool`")
    pool = load_pool(where)
    card = pool.card
    check_pool_of(card, task, where)
    if card.split != "demonstration":
        raise PoolError(f"the pool {where} is of the {card.split} split, which is not to be shown")
    return pool


def made_for(card: PoolCard, task: Task[Any]) -> bool:
    """Returns whether a pool is of a task, of whichever version.

    One that is made of a data set is known by that, for its name only says where it lies.
    """
    if task.data_hash is not None:
        return card.task_settings.get("data") == task.data_hash
    return card.task == task.name


def check_pool_of(card: PoolCard, task: Task[Any], where: Path) -> None:
    """Raises an error unless a pool is of a task, and of its version.

    Raises:
        PoolError: It is of another; the message says what to do.
    """
    if task.data_hash is not None and card.task == task.name and not made_for(card, task):
        raise PoolError(
            f"the pool {where} is of {card.task} as it was before its data set was changed; "
            "import it anew"
        )
    if not made_for(card, task) or card.task_version != task.version:
        remedy = f"; build it anew, or use what made it ({card.made_by})"
        raise PoolError(
            f"the pool {where} is of {card.task} version {card.task_version}, "
            f"not of {task.name} version {task.version}{remedy if card.task == task.name else ''}"
        )


def shipped_pool(task: str) -> Path:
    """Returns where the pool of a task would be that ships with icil."""
    return _SHIPPED / re.sub(r"\W", "_", task)


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(map(str, problem["loc"])) or "the whole"
    return f"{where}: {problem['msg']}"


def _lines(demonstrations: Iterable[Demonstration]) -> bytes:
    return b"".join(
        json.dumps(_LINE.dump_python(d, mode="json"), separators=(",", ":")).encode() + b"\n"
        for d in demonstrations
    )
