"""How far the actions of teacher-forced episodes are from the demonstrated ones.

Where actions are vectors, the share of those reproduced to the digit says next to nothing. The
error of a number is its absolute difference from the demonstrated one, in parts of the distance
between its bounds (`Task.action_box`); that of an action is the mean over its numbers. Of a chunk
the first action counts. A reply without an action has no error, and is counted beside. What a
recording has for bounds stands in the store, so that they need not be where the data set lies.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from icil.results.frames import cells_frame
from icil.results.scored import budget
from icil.results.scores import Estimate, Floats, pooled_shares
from icil.results.store import RunStore
from icil.results.tables import CsvTable, to_csv
from icil.tasks import IcilError, ParsedAction, Task, make

ACTION_ERRORS = "action_errors.csv"
"""The file's name in a run folder."""
COLUMNS = (
    "task",
    "format",
    "agent",
    "selector",
    "demonstrations",
    "dimension",
    "step",
    "episodes",
    "failed",
    "actions",
    "unread",
    "error_mean",
    "error_ci_low",
    "error_ci_high",
    "context_tokens",
)
"""Of the file. `dimension` and `step` are empty in the row of all of them."""

BOUNDS = "bounds"
"""Under which `meta` has the bounds of the actions of tasks that are made of data sets."""

_EPISODES = """
SELECT id, attempt FROM episodes WHERE cell = ? AND status = 'done' ORDER BY opening
"""
_FAILED = "SELECT COUNT(*) FROM episodes WHERE cell = ? AND status IN ('error', 'overlong')"
_STEPS = """
SELECT reply, status, action FROM steps WHERE episode = ? AND attempt = ? ORDER BY step
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionError:
    """How far a cell's actions are from the demonstrated ones."""

    task: str
    format: str
    agent: str
    selector: str
    """Empty where nothing chose the demonstrations."""
    demonstrations: int
    context_tokens: int | None
    episodes: int
    """Those that are done."""
    failed: int
    """Those that are not, for their agent failed or their prompts were too long."""
    actions: int
    """Those that were compared."""
    unread: int
    """Replies without an action."""
    error: Estimate | None
    """Over all actions; the interval resamples episodes. None where none was read."""
    dimensions: tuple[Estimate | None, ...]
    """Of each number of an action."""
    steps: tuple[Estimate | None, ...]
    """At each step, from 0."""
    counts: tuple[tuple[int, int], ...]
    """At each step the actions compared, and the replies without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionErrors(CsvTable):
    """Those of a run."""

    rows: tuple[ActionError, ...]
    unmeasured: Mapping[str, str]
    """Tasks whose actions could not be compared, and why."""

    def to_csv(self) -> str:
        """Returns as CSV, for each cell, a row for all, one a dimension and one a step."""
        return to_csv(COLUMNS, (row for one in self.rows for row in _rows(one)))


def make_action_errors(store: RunStore) -> ActionErrors:
    """Computes the errors of a teacher-forced run; of other runs, and of words, there are none."""
    meta = store.meta()
    experiment: Mapping[str, Any] = meta["experiment"]
    if not experiment.get("teacher_forced"):
        return ActionErrors(rows=(), unmeasured={})
    tasks: dict[str, _Reader | str] = {}
    found: list[ActionError] = []
    for _, cell in cells_frame(store).iterrows():
        number, name = int(cell["cell"]), str(cell["task"])
        episodes, ((failed,),) = (store.rows(query, (number,))[1] for query in (_EPISODES, _FAILED))
        if not (episodes or failed) or not cell["asked"]:
            continue
        if name not in tasks:
            tasks[name] = _reader(meta, name)
        reader = tasks[name]
        if isinstance(reader, str):
            continue
        # Chunks of a whole run are larger than what is read of them: one episode at a time.
        said = (map(_Step._make, store.rows(_STEPS, episode)[1]) for episode in episodes)
        estimates = _estimate([_measured(reader, steps) for steps in said], reader.dimension)
        for format in [cell["format"]] if cell["format"] else meta["formats"][name]:
            found.append(
                ActionError(
                    task=name,
                    format=str(format),
                    agent=str(cell["agent"]),
                    selector=str(cell["selector"]),
                    demonstrations=int(cell["demonstrations"]),
                    context_tokens=budget(cell),
                    episodes=len(episodes),
                    failed=failed,
                    **estimates,
                )
            )
    unmeasured = {name: why for name, why in tasks.items() if isinstance(why, str) and why}
    return ActionErrors(rows=tuple(sorted(found, key=_place)), unmeasured=unmeasured)


def bounds_of(task: Task[Any]) -> dict[str, list[float]] | None:
    """Returns what `meta` has under `BOUNDS` of a task; None of one that needs no data set."""
    box = task.action_box if task.data_hash is not None and task is task.plain else None
    return None if box is None else {"low": box.low.tolist(), "high": box.high.tolist()}


class _Step(NamedTuple):
    reply: str
    status: str
    action: str


class _Reader(NamedTuple):
    """What is needed to compare the actions of a task."""

    parse: Callable[[str], ParsedAction]
    width: Floats
    """The distance between the bounds of each number, above 0."""

    @property
    def dimension(self) -> int:
        return len(self.width)


def _reader(meta: Mapping[str, Any], name: str) -> _Reader | str:
    """Returns how a task's actions are read, or why they cannot be compared; '' for words."""
    experiment: Mapping[str, Any] = meta["experiment"]
    if held := meta.get(BOUNDS, {}).get(name):
        return _by_bounds(np.array(held["low"]), np.array(held["high"]))
    given: Mapping[str, Any] = experiment.get("set", {})
    settings = {key.rpartition(".")[2]: v for key, v in given.items() if _of(key) == name}
    try:
        task = make(name, settings)
        box, now = task.action_box, (task.version, dict(task.settings))
    except IcilError as error:
        return str(error)
    if box is None:
        return ""
    if now != (experiment["task"][name], experiment["settings"].get(f"task {name}", {})):
        return "it is not set, or not of the version, as it was in the run"
    width = box.high - box.low
    if not (np.isfinite(width).all() and (width > 0).all()):
        return "its actions have no bounds"
    return _Reader(lambda said: task.parse(said, None), width)  # needs no state of a vector's


def _by_bounds(low: Floats, high: Floats) -> _Reader:
    """Returns how lists of float32 are read, as a recording's are."""
    from gymnasium.spaces import Box

    from icil.tasks.gym.box import BoxActions

    space = Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
    return _Reader(BoxActions(space).parse, high - low)


def _of(key: str) -> str:
    """Returns whose setting it is."""
    return key.rpartition(".")[0]


def _measured(reader: _Reader, steps: Iterable[_Step]) -> Floats:
    """Returns an episode's errors, shape (steps, dimension); NaN where a reply has no action."""
    errors: list[Floats] = []
    for step in steps:
        done, shown = _answered(reader, step), _vector(reader, step.action)
        if done is None or shown is None:
            errors.append(np.full(reader.dimension, np.nan))
        else:
            errors.append(np.abs(done - shown) / reader.width)
    return np.array(errors).reshape(len(errors), reader.dimension)


def _estimate(episodes: Sequence[Floats], dimension: int) -> dict[str, Any]:
    """Returns what is estimated of a cell, from the errors of its episodes, if it has any."""
    lengths = np.array([len(one) for one in episodes], dtype=int)
    errors = np.full((len(episodes), lengths.max(initial=0), dimension), np.nan)
    for place, one in enumerate(episodes):
        errors[place, : len(one)] = one
    means = errors.mean(axis=2)
    known = ~np.isnan(means)
    sums, counts = np.where(known, means, 0.0), known.astype(np.float64)
    parts = np.where(known[:, :, None], errors, 0.0).sum(axis=1)
    tried = counts.sum(axis=1, keepdims=True)
    hits = np.concatenate([sums.sum(axis=1, keepdims=True), parts, sums], axis=1)
    tries = np.concatenate([tried, np.repeat(tried, dimension, axis=1), counts], axis=1)
    whole, *rest = pooled_shares(hits, tries)
    compared = known.sum(axis=0)
    unread = (lengths[:, None] > np.arange(known.shape[1])).sum(axis=0) - compared
    return {
        "actions": int(compared.sum()),
        "unread": int(unread.sum()),
        "error": whole,
        "dimensions": tuple(rest[:dimension]),
        "steps": tuple(rest[dimension:]),
        "counts": tuple(zip(compared.tolist(), unread.tolist(), strict=True)),
    }


def _answered(reader: _Reader, step: _Step) -> Floats | None:
    """Returns the action of a reply; None where there is none."""
    if step.status != "ok":
        return None
    reply = step.reply.strip()
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and found and isinstance(found[0], list):  # a chunk
        return _vector(reader, json.dumps(found[0]))
    for said in (reply, reply[reply.rfind("[") : reply.rfind("]") + 1]):  # behind its reasons
        if (vector := _vector(reader, said)) is not None:
            return vector
    return None


def _vector(reader: _Reader, said: str) -> Floats | None:
    parsed = reader.parse(said)
    if parsed.status != "ok":
        return None
    return np.asarray(parsed.value, np.float64).reshape(-1)


def _rows(one: ActionError) -> Iterator[list[object]]:
    cell = [one.task, one.format, one.agent, one.selector, one.demonstrations]
    counts = one.actions, one.unread
    wholes = [(None, None, counts, one.error)]
    dimensions = [(d, None, counts, found) for d, found in enumerate(one.dimensions)]
    pairs = zip(one.counts, one.steps, strict=True)
    steps = [(None, s, counts, found) for s, (counts, found) in enumerate(pairs)]
    for dimension, step, (actions, unread), found in [*wholes, *dimensions, *steps]:
        bounds = (found.mean, found.low, found.high) if found else (None, None, None)
        told = [dimension, step, one.episodes, one.failed, actions, unread, *bounds]
        yield [*cell, *told, one.context_tokens]


def _place(one: ActionError) -> tuple[object, ...]:
    """Sorts by task and format, then by error; those without one come last."""
    error = (True, 0.0) if one.error is None else (False, one.error.mean)
    size = one.context_tokens or 0, one.demonstrations
    return one.task, one.format, *error, one.agent, one.selector, *size
