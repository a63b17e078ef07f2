"""The experiment file in a run folder: what the folder holds, as one experiment.

It is written when the folder is made, and again when it comes to hold more, or when the file says
something else than the store. Then what it said is kept beside it (experiment-1.yaml, …).
"""

from collections.abc import Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from icil.harness.planning.experiment import Experiment, load_experiment
from icil.harness.planning.plan import Plan
from icil.prompt_builders import load_template
from icil.results import open_run
from icil.results.store import FILE_NAME
from icil.results.tables import write_whole
from icil.tasks.errors import StoreError, UsageError
from icil.tasks.pools import read_card

EXPERIMENT, TEMPLATE = "experiment.yaml", "template.yaml"

_PATHS = ("pool", "prices", "scores", "template")
"""Fields of a file that stand otherwise, or not at all, in the store."""


def write_experiment(folder: Path, plan: Plan, fields: Mapping[str, Any]) -> None:
    """Writes the experiment file, and the template beside it, unless they are there.

    Args:
        folder: The run's folder.
        plan: What is played now.
        fields: What decides the whole run, which may be more (`Plan.fields`).

    Raises:
        StoreError: It cannot be written.
    """
    path = folder / EXPERIMENT
    held = _read(path)
    if held is not None and _says(held, fields):
        return
    experiment = plan.experiment if fields == plan.fields else experiment_of(fields)
    found = experiment.model_dump(mode="json", exclude_none=True)
    found["episodes"] = fields["episodes"]  # some runs hold more than the plan of the day says
    if experiment.temperature is None:
        found["temperature"] = None
    found["pool"] = [str(pool.absolute()) for pool in _pools(plan, held)]
    scores = {one.name: one for one in (*(held.scores if held else ()), *plan.experiment.scores)}
    found["scores"] = [str(one.absolute()) for one in scores.values()]
    prices = plan.experiment.prices or (held and held.prices)
    if prices:
        found["prices"] = str(prices.absolute())
    try:
        if _has_template(folder, plan, fields["template"]):
            found["template"] = TEMPLATE
        if path.exists():
            _keep(path)
        text = yaml.safe_dump(found, sort_keys=False, default_flow_style=None, allow_unicode=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error


def held_experiment(folder: Path) -> Experiment | None:
    """Returns what a folder holds, as one experiment; None if it holds no run.

    Raises:
        StoreError: Its store is damaged.
    """
    if not (folder / FILE_NAME).exists():
        return None
    if (found := _read(folder / EXPERIMENT)) is not None:
        return found
    with closing(open_run(folder)) as store:
        return experiment_of(store.meta()["experiment"])


def experiment_of(fields: Mapping[str, Any]) -> Experiment:
    """Returns an experiment by what decides it (`Plan.fields`), without paths."""
    known = {name: value for name, value in fields.items() if name in Experiment.model_fields}
    return Experiment.model_validate(
        {**{k: v for k, v in known.items() if k not in _PATHS}, "task": list(fields["task"])}
    )


def pools_of(task: str, hashes: Mapping[str, str], beside: Experiment) -> list[Path]:
    """Returns which of an experiment's pools are a task's.

    Args:
        task: The task; what a pool is of may be the same data set under another name.
        hashes: Of the pools that were played with, by task.
        beside: The experiment, whose paths are looked at.

    Raises:
        PoolError: A pool is not there any more, or is damaged.
    """
    cards = [(one, read_card(one)) for one in beside.pool]
    return [one for one, card in cards if task == card.task or card.hash == hashes.get(task)]


def _read(path: Path) -> Experiment | None:
    """Returns what a file says; None if there is none, or it is none."""
    try:
        return load_experiment(path, {}) if path.exists() else None
    except UsageError:
        return None


def _says(held: Experiment, fields: Mapping[str, Any]) -> bool:
    """Returns whether a file says what decides the run, in whatever order."""
    return _plain(held) == _plain(experiment_of(fields))


def _plain(experiment: Experiment) -> dict[str, Any]:
    found = experiment.model_dump(mode="json", exclude=set(_PATHS))
    for name in ("task", "format", "agent", "selector", "demos", "context_tokens"):
        found[name] = sorted(found[name])
    return found


def _pools(plan: Plan, held: Experiment | None) -> list[Path]:
    """Returns the pools of this plan, and those of other tasks that the file names."""
    found = list(plan.experiment.pool)
    for path in held.pool if held else ():
        try:
            other = read_card(path).task not in plan.tasks
        except UsageError:  # it is elsewhere now, which whoever needs it is told then
            other = True
        if other and path.absolute() not in {one.absolute() for one in found}:
            found.append(path)
    return found


def _has_template(folder: Path, plan: Plan, hash: str) -> bool:
    """Puts the run's template into its folder, where it is not the one that ships."""
    path = folder / TEMPLATE
    given = plan.experiment.template
    if given is not None and plan.template.hash == hash:
        content = given.read_bytes()
        if not path.exists() or path.read_bytes() != content:
            write_whole(path, content)
        return True
    try:
        return path.exists() and load_template(path).hash == hash
    except UsageError:
        return False


def _keep(path: Path) -> None:
    """Copies a file beside itself, before another takes its place."""
    content = path.read_bytes()
    for number in count(1):
        kept = path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not kept.exists():
            write_whole(kept, content)
            return
        if kept.read_bytes() == content:
            return
