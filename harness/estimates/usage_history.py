"""What models took in past runs, so that an estimate of the next one can go by it.

    remember(store)    after a run: keeps its sums, by model, task, format and options
    recall(…)          before one: how long episodes were, how many tokens a reply took, how
                       many tokens the provider counted for one counted here, how fast it was

Kept are numbers alone, in a small SQLite file in the cache's folder (see
`prompt_builders/cache.py`; with `ICIL_CACHE=off` nothing is kept). As with all that is cached,
nothing here fails because of the disk.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from icil.harness.models.tables.tokens import count_tokens
from icil.harness.planning.cells import DEMO_SETS
from icil.prompt_builders.cache import open_cache
from icil.prompt_builders.parts import ImagePart, Part, TextPart, read_image
from icil.results import RunStore
from icil.tasks.seeding import digest

FILE_NAME = "usage.sqlite"
_KEPT = 5000
"""How many entries are kept; the oldest go."""
_HASH_BYTES = 16
_WAIT_S = 5.0
"""For another process that writes."""


class ModelName(NamedTuple):
    """A model, without its address: that changes from run to run."""

    provider: str
    model: str


class Played(NamedTuple):
    """What was played: usage is alike where these are the same."""

    task: str
    format: str
    options: str
    """JSON: the cell's options and the agent's settings."""
    demonstrations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What episodes took."""

    steps: Mapping[int, int] = field(default_factory=dict)
    """How many finished episodes had so many steps."""
    calls: int = 0
    input_tokens: int = 0
    """As the provider counts them."""
    text_tokens: int = 0
    """Of the same texts, as they are counted here."""
    image_tokens: int = 0
    """Of the same images, as they are counted here."""
    output_tokens: int = 0
    latency_s: float = 0.0
    """Of all calls together."""


class Entry(NamedTuple):
    """What a model took in a cell, or in cells that are alike."""

    model: ModelName
    played: Played
    used: Used


class Ratios(NamedTuple):
    """How many tokens the provider counts for one counted here."""

    text: float = 1.0
    image: float = 1.0


def model_name(agent: str) -> ModelName:
    """Returns the model that an agent's name stands for: `local/llama@http://…` is `llama`."""
    provider, slash, model = agent.partition("/")
    return ModelName(provider, model.partition("@")[0]) if slash else ModelName("", agent)


def played(
    task: str, format: str, options: Mapping[str, Any], settings: Mapping[str, Any], k: int
) -> Played:
    """Returns what identifies a cell here.

    Args:
        task: The task's name.
        format: The observation format.
        options: The cell's options.
        settings: The agent's settings.
        k: The number of demonstrations.
    """
    # How many episodes share their demonstrations makes no reply longer.
    said = {name: value for name, value in options.items() if name != DEMO_SETS}
    both = json.dumps([said, dict(settings)], sort_keys=True)
    return Played(task, format, both, k)


_CELL = (("task", "format", "options"), ("task", "format"))


class History:
    """What is known of the past.

    Args:
        entries: What was played.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = tuple(entries)

    def joined(self, entries: Iterable[Entry]) -> "History":
        """Returns a history that knows these, too."""
        return History((*self._entries, *entries))

    def steps(self, model: ModelName, cell: Played) -> Counter[int]:
        """Returns how many episodes like a cell's had so many steps; empty if not known."""
        found: Counter[int] = Counter()
        levels = (("task", "format", "options", "demonstrations"), *_CELL)
        for used in self._nearest(model, cell, levels, lambda used: len(used.steps)):
            found.update(used.steps)
        return found

    def output_tokens(self, model: ModelName, cell: Played) -> float | None:
        """Returns how many tokens a reply takes; None if not known."""
        levels = (
            ("task", "format", "options", "demonstrations"),
            ("task", "format", "options"),
            ("task", "options"),
            ("options",),
        )
        found = self._nearest(model, cell, levels, lambda used: used.calls)
        calls = sum(used.calls for used in found)
        return sum(used.output_tokens for used in found) / calls if calls else None

    def latency_s(self, model: ModelName, cell: Played) -> float | None:
        """Returns how long a call takes, in seconds; None if not known."""
        levels = (*_CELL, ("options",), ())
        found = self._nearest(model, cell, levels, lambda used: used.calls)
        calls = sum(used.calls for used in found)
        return sum(used.latency_s for used in found) / calls if calls else None

    def ratios(self, model: ModelName, cell: Played) -> Ratios | None:
        """Returns how the provider counts what is counted here; None if not known."""
        found = self._nearest(model, cell, (("task", "format"), ()), _reported)
        if not found:
            return None
        # What texts alone take tells apart what texts and images take together.
        plain = [used for used in found if not used.image_tokens]
        if not plain:
            every = self._nearest(model, cell, ((),), _reported)
            plain = [used for used in every if not used.image_tokens]
        text = _ratio(plain, _reported, lambda used: used.text_tokens)
        seen = [used for used in found if used.image_tokens]
        image = _ratio(
            seen,
            lambda used: used.input_tokens - text * used.text_tokens,
            lambda used: used.image_tokens,
        )
        return Ratios(text, max(0.0, image))

    def _nearest(
        self,
        model: ModelName,
        cell: Played,
        levels: Sequence[Sequence[str]],
        tells: Callable[[Used], int],
    ) -> list[Used]:
        """Returns what a model took in the cells that are likest to one.

        Args:
            model: The model.
            cell: What is asked about.
            levels: In which fields they may be alike, the best first.
            tells: Whether something can be learnt from an entry.
        """
        mine = [e for e in self._entries if e.model == model and tells(e.used)]
        for level in levels:
            if found := [e.used for e in mine if _alike(e.played, cell, level)]:
                return found
        return []


def summarise(store: RunStore) -> list[Entry]:
    """Returns what the models took in a run; may count megabytes of text."""
    return list(_summarise(store, ()).values())


def _summarise(store: RunStore, but: Collection[ModelName]) -> dict[int, Entry]:
    """Returns what the models but some took in a run, by the cells' numbers."""
    settings = store.meta().get("experiment", {}).get("settings", {})
    entries = {}
    for cell, task, format, agent, options, k in store.rows(_CELLS)[1]:
        model = model_name(agent)
        if model not in but:
            mine = settings.get(f"agent {agent}", {})
            key = played(task, format, json.loads(options), mine, k)
            entries[cell] = Entry(model, key, _used(store, cell, model))
    return entries


def remember(store: RunStore, but: Collection[ModelName] = ()) -> None:
    """Keeps what the models took in a run, in place of what was kept of it before.

    Args:
        store: The run's.
        but: Models of which nothing new is kept: another answered under their names. What was
            kept of them before stays.
    """
    path = _path()
    if path is None:
        return
    run = digest(str(store.meta().get("experiment_hash")), str(store.path.absolute()), size=16)
    entries = _summarise(store, but)
    rows = [
        (run, number, *entry.model, *entry.played, json.dumps(asdict(entry.used)))
        for number, entry in entries.items()
    ]
    with suppress(OSError, sqlite3.Error):
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_WAIT_S)) as db, db:
            db.execute(_TABLE)
            told = {entry.model for entry in entries.values()}
            db.executemany(_REPLACE, [(run, *model) for model in told])
            db.executemany("INSERT OR REPLACE INTO used VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            db.execute(_FORGET, (_KEPT,))


def recall(models: Iterable[ModelName]) -> History:
    """Returns what is known of some models."""
    path = _path()
    if path is None or not path.is_file():
        return History()
    entries: list[Entry] = []
    unreadable = (OSError, sqlite3.Error, ValueError, TypeError)
    with suppress(*unreadable), closing(sqlite3.connect(path, timeout=_WAIT_S)) as db:
        for model in dict.fromkeys(models):
            entries.extend(_read(db, model))
    return History(entries)


_TABLE = """
CREATE TABLE IF NOT EXISTS used (
    run BLOB, cell INTEGER, provider TEXT, model TEXT,
    task TEXT, format TEXT, options TEXT, demonstrations INTEGER,
    used TEXT,
    PRIMARY KEY (run, cell)
)
"""
_REPLACE = "DELETE FROM used WHERE run = ? AND provider = ? AND model = ?"
_FORGET = "DELETE FROM used WHERE rowid NOT IN (SELECT rowid FROM used ORDER BY rowid DESC LIMIT ?)"
_CELLS = """
SELECT id, task, format, agent, options, demonstrations FROM cells
WHERE EXISTS (
    SELECT 1 FROM episodes e JOIN steps s ON s.episode = e.id
    WHERE e.cell = cells.id AND s.latency_s IS NOT NULL AND s.prompt IS NOT NULL
)
ORDER BY id
"""
_LENGTHS = """
SELECT n, COUNT(*) FROM (
    SELECT COUNT(*) AS n FROM episodes e
    JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt
    WHERE e.cell = {cell} AND e.status = 'done' GROUP BY e.id
)
GROUP BY n
"""
_STEPS = """
SELECT s.episode, s.attempt, s.step, p.parts, s.shown, s.question,
       s.input_tokens, s.output_tokens, s.latency_s
FROM steps s JOIN episodes e ON e.id = s.episode LEFT JOIN prefixes p ON p.hash = e.prefix
WHERE e.cell = {cell} AND s.latency_s IS NOT NULL AND s.prompt IS NOT NULL
ORDER BY s.episode, s.attempt, s.step
"""


def _used(store: RunStore, cell: int, model: ModelName) -> Used:
    _, lengths = store.rows(_LENGTHS.format(cell=cell))
    _, steps = store.rows(_STEPS.format(cell=cell))
    meter = _Meter(store, model)
    text = image = tokens = output = 0
    latency_s = 0.0
    at, so_far = None, _Count(0, 0)
    for episode, attempt, _, prefix, shown, question, input_, out, seconds in steps:
        if at != (episode, attempt):
            at, so_far = (episode, attempt), meter.count(prefix or b"")
        so_far = so_far.plus(meter.count(shown))
        whole = so_far.plus(meter.count(question))
        text += whole.text
        image += whole.image
        tokens += input_
        output += out
        latency_s += seconds
    return Used(
        steps=dict(lengths),
        calls=len(steps),
        input_tokens=tokens,
        text_tokens=text,
        image_tokens=image,
        output_tokens=output,
        latency_s=latency_s,
    )


class _Count(NamedTuple):
    text: int
    image: int

    def plus(self, other: "_Count") -> "_Count":
        return _Count(self.text + other.text, self.image + other.image)


class _Meter:
    """Counts the tokens of lists of parts that a store holds."""

    def __init__(self, store: RunStore, model: ModelName) -> None:
        self._store, self._model = store, model
        self._known: dict[bytes, _Count] = {}

    def count(self, hashes: bytes) -> _Count:
        """Counts the parts with these hashes, which stand one after the other."""
        if hashes not in self._known:
            found = _Count(0, 0)
            for start in range(0, len(hashes), _HASH_BYTES):
                found = found.plus(self._part(hashes[start : start + _HASH_BYTES]))
            self._known[hashes] = found
        return self._known[hashes]

    def _part(self, hash: bytes) -> _Count:
        if hash not in self._known:
            part = _restored(*self._store.part(hash))
            tokens = count_tokens(part, *self._model)
            self._known[hash] = (
                _Count(0, tokens) if isinstance(part, ImagePart) else _Count(tokens, 0)
            )
        return self._known[hash]


def _restored(kind: str, content: bytes) -> Part:
    return read_image(content) if kind == "png" else TextPart(content.decode())


def _read(db: sqlite3.Connection, model: ModelName) -> Iterator[Entry]:
    rows = db.execute(
        "SELECT task, format, options, demonstrations, used FROM used "
        "WHERE provider = ? AND model = ?",
        model,
    )
    for *cell, used in rows:
        values = json.loads(used)
        values["steps"] = {int(n): count for n, count in values["steps"].items()}
        yield Entry(model, Played(*cell), Used(**values))


def _path() -> Path | None:
    cache = open_cache()
    return None if cache is None else cache.folder / FILE_NAME


def _alike(one: Played, other: Played, fields: Sequence[str]) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in fields)


def _reported(used: Used) -> int:
    return used.input_tokens


def _ratio(
    found: Sequence[Used], top: Callable[[Used], float], bottom: Callable[[Used], float]
) -> float:
    counted = sum(map(bottom, found))
    return sum(map(top, found)) / counted if counted else 1.0
