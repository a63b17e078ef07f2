"""What a command leaves open is as in the run folder that it names."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from icil.harness.planning.experiment import Experiment

_TOGETHER = (("demos", "context_tokens"), ("selector", "control", "scores"))
"""Options that say one thing together: where one is given, none of them is left open."""


def left_open(given: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns what options leave open, as it is in a folder's run and not by default.

    Args:
        given: Fields of an experiment, those that were given.
        folder: The folder; where it holds no run, nothing is returned.

    Returns:
        Fields, with what was given of settings and pools among that of the run.

    Raises:
        StoreError: Its store is damaged.
        PoolError: A pool that was given, or that it names, is not there.
    """
    from icil.harness.folders.experiment_file import held_experiment
    from icil.harness.planning.experiment import listed

    held = held_experiment(folder)
    if held is None:
        return {}
    tasks, agents = (
        set(listed(given.get(name, getattr(held, name)))) for name in ("task", "agent")
    )
    found = {name: getattr(held, name) for name in type(held).model_fields if name not in given}
    for together in _TOGETHER:
        if any(name in given for name in together):
            found = {name: value for name, value in found.items() if name not in together}
    if "control" in given and "selector" not in given:
        plain = tuple(name for name in held.selector if "+" not in name)
        found |= {"selector": plain, "scores": held.scores}
    if not tasks <= set(held.task):  # others may have other formats
        found.pop("format", None)
    found["set"] = {**_settings(held, tasks | agents), **given.get("set", {})}
    left = set(held.task) - tasks  # a pool of none of them names its data set otherwise
    found["pool"] = _pools(held.pool, () if "all" in tasks else left, listed(given.get("pool", ())))
    usual = {
        name: field.get_default(call_default_factory=True)
        for name, field in type(held).model_fields.items()
    }
    return {name: value for name, value in found.items() if not _same(value, usual[name])}


def _same(value: object, other: object) -> bool:
    """Returns whether values are equal, lists in whatever order."""
    if isinstance(value, tuple) and isinstance(other, tuple):
        return set(value) == set(other)
    return value == other


def _settings(held: "Experiment", names: Collection[str]) -> dict[str, Any]:
    """Returns the settings of the tasks and agents of these names."""
    every = "all" in names
    return {k: v for k, v in held.set.items() if every or k.rpartition(".")[0] in names}


def _pools(
    held: Iterable[Path], left: Collection[str], given: Iterable[str | Path]
) -> tuple[Path, ...]:
    """Returns the given pools, and those that are there of other tasks, less some that are left."""
    from icil.tasks.pools import read_card

    chosen = {read_card(Path(folder)).task: Path(folder) for folder in given}
    for folder in held:
        name = read_card(folder).task
        if name not in left:
            chosen.setdefault(name, folder)
    return tuple(chosen.values())
