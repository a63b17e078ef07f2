"""How far the actions of teacher-forced episodes are from the demonstrated ones.

Where actions are vectors, the share of those reproduced to the digit says next to nothing. The
error of a number is its absolute difference from the demonstrated one, in parts of the distance
between its bounds (`Task.action_box`); that of an action is the mean over its numbers. Of a chunk
the first action counts. A reply without an action has no error, and is counted beside.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from icil.results.frames import cells_frame
from icil.results.scored import budget
from icil.results.scores import Estimate, Floats, pooled_shares
from icil.results.store import RunStore
from icil.results.tables import CsvTable, to_csv
from icil.tasks import IcilError, Task, make

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
    "actions",
    "unread",
    "error_mean",
    "error_ci_low",
    "error_ci_high",
    "context_tokens",
)
"""Of the file. `dimension` and `step` are empty in the row of all of them."""

_EPISODES = """
SELECT id, attempt FROM episodes WHERE cell = ? AND status = 'done' ORDER BY opening
"""
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
    tasks: dict[str, Task[Any] | str] = {}
    found: list[ActionError] = []
    for _, cell in cells_frame(store).iterrows():
        episodes, name = store.rows(_EPISODES, (int(cell["cell"]),))[1], str(cell["task"])
        if not episodes or not cell["asked"]:
            continue
        if name not in tasks:
            tasks[name] = _task(experiment, name)
        task = tasks[name]
        if isinstance(task, str):
            continue
        # Chunks of a whole run are larger than what is read of them: one episode at a time.
        said = (map(_Step._make, store.rows(_STEPS, episode)[1]) for episode in episodes)
        estimates = _estimate([_measured(task, steps) for steps in said])
        for format in [cell["format"]] if cell["format"] else meta["formats"][name]:
            found.append(
                ActionError(
                    task=name,
                    format=str(format),
                    agent=str(cell["agent"]),
                    selector=str(cell["selector"]),
                    demonstrations=int(cell["demonstrations"]),
                    context_tokens=budget(cell),
                    **estimates,
                )
            )
    unmeasured = {name: why for name, why in tasks.items() if isinstance(why, str) and why}
    return ActionErrors(rows=tuple(sorted(found, key=_place)), unmeasured=unmeasured)


class _Step(NamedTuple):
    reply: str
    status: str
    action: str


def _task(experiment: Mapping[str, Any], name: str) -> Task[Any] | str:
    """Returns a task as it was set, or why its actions cannot be compared; '' for words."""
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
    return task


def _of(key: str) -> str:
    """Returns whose setting it is."""
    return key.rpartition(".")[0]


def _measured(task: Task[Any], steps: Iterable[_Step]) -> Floats:
    """Returns an episode's errors, shape (steps, dimension); NaN where a reply has no action."""
    box = task.action_box
    assert box is not None
    errors: list[Floats] = []
    for step in steps:
        done, shown = _answered(task, step), _vector(task, step.action)
        if done is None or shown is None:
            errors.append(np.full(box.dimension, np.nan))
        else:
            errors.append(np.abs(done - shown) / (box.high - box.low))
    return np.array(errors).reshape(len(errors), box.dimension)


def _estimate(episodes: Sequence[Floats]) -> dict[str, Any]:
    """Returns what is estimated of a cell, from the errors of its episodes."""
    lengths, dimension = np.array([len(one) for one in episodes]), episodes[0].shape[1]
    errors = np.full((len(episodes), lengths.max(), dimension), np.nan)
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
        "episodes": len(episodes),
        "actions": int(compared.sum()),
        "unread": int(unread.sum()),
        "error": whole,
        "dimensions": tuple(rest[:dimension]),
        "steps": tuple(rest[dimension:]),
        "counts": tuple(zip(compared.tolist(), unread.tolist(), strict=True)),
    }


def _answered(task: Task[Any], step: _Step) -> Floats | None:
    """Returns the action of a reply; None where there is none."""
    if step.status != "ok":
        return None
    reply = step.reply.strip()
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and found and isinstance(found[0], list):  # a chunk
        return _vector(task, json.dumps(found[0]))
    for said in (reply, reply[reply.rfind("[") : reply.rfind("]") + 1]):  # behind its reasons
        if (vector := _vector(task, said)) is not None:
            return vector
    return None


def _vector(task: Task[Any], said: str) -> Floats | None:
    parsed = task.parse(said, None)  # that of a vector needs no state
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
        told = [dimension, step, one.episodes, actions, unread, *bounds]
        yield [*cell, *told, one.context_tokens]


def _place(one: ActionError) -> tuple[object, ...]:
    size = one.context_tokens or 0, one.demonstrations
    return one.task, one.format, one.agent, one.selector, *size
