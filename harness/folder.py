"""The run folder: what it holds, who may use it, and whether it is this run's.

experiment.yaml   the experiment, with every name resolved; `icil run` takes it again
run.sqlite        the run store
leaderboard.csv   written when the run is complete, with scores.png
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from icil.harness.plan import Plan
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks.errors import RunFolderError, StoreError

EXPERIMENT, TEMPLATE = "experiment.yaml", "template.yaml"
LEADERBOARD, SCORES = "leaderboard.csv", "scores.png"
_LOCK = ".lock"


def check_folder(folder: Path, plan: Plan) -> None:
    """Checks, before anything is created, that a folder can be this run's.

    Raises:
        RunFolderError: It is a file, holds another experiment (the message names the fields
            that differ), or holds other things and no run.
        StoreError: Its store is damaged.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is a file, not a folder")
    if not (folder / FILE_NAME).exists():
        others = sorted(p.name for p in folder.iterdir() if p.name not in _ours())
        if others:
            raise RunFolderError(
                f"{folder} holds no run but other things ({', '.join(others[:3])}); "
                "name an empty or a new folder"
            )
        return
    store = RunStore(folder / FILE_NAME, readonly=True)
    try:
        _check_experiment(store, folder, plan)
    finally:
        store.close()


def _check_experiment(store: RunStore, folder: Path, plan: Plan) -> None:
    theirs = store.meta().get("experiment")
    if theirs != plan.fields:
        raise RunFolderError(
            f"{folder} holds another experiment: {_differences(theirs or {}, plan.fields)}; "
            "name another folder, or give the same options to go on with it"
        )


@contextmanager
def open_folder(folder: Path, plan: Plan) -> Iterator[RunStore]:
    """Opens a run's folder for writing, and makes it if need be.

    Raises:
        RunFolderError: It holds something else, or another process is at it.
        StoreError: It cannot be written, or its store is damaged.
    """
    check_folder(folder, plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot use {folder}: {error}") from error
    with lock_folder(folder):
        path = folder / FILE_NAME
        if path.exists():
            store = RunStore(path)
        else:
            store = RunStore.create(path, plan.meta, (cell.record for cell in plan.cells))
        try:
            _check_experiment(store, folder, plan)  # another process may have made it meanwhile
            _write_experiment(folder, plan)
            yield store
        finally:
            store.close()


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keeps other processes from writing into a run's folder, which exists.

    Raises:
        RunFolderError: Another process is at it.
        StoreError: It cannot be written.
    """
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunFolderError(f"{folder} is in use by another process") from error
    except OSError as error:
        raise StoreError(f"cannot use {folder}: {error}") from error
    try:
        yield
    finally:
        lock.release()


def _ours() -> frozenset[str]:
    """What a process that died before there was a store may have left."""
    return frozenset({_LOCK, FILE_NAME + ".new", FILE_NAME + ".new-journal"})


def _write_experiment(folder: Path, plan: Plan) -> None:
    """Writes the experiment file, and the template beside it, unless they are there."""
    path = folder / EXPERIMENT
    if path.exists():
        return
    fields = plan.experiment.model_dump(mode="json", exclude_none=True)
    if fields["pool"]:
        fields["pool"] = [str(pool.absolute()) for pool in plan.experiment.pool]
    if plan.experiment.prices is not None:
        fields["prices"] = str(plan.experiment.prices.absolute())
    if plan.experiment.temperature is None:
        fields["temperature"] = None
    try:
        if plan.experiment.template is not None:
            fields["template"] = TEMPLATE
            (folder / TEMPLATE).write_bytes(plan.experiment.template.read_bytes())
        text = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None, allow_unicode=True)
        making = path.with_name(path.name + ".new")
        making.write_text(text, encoding="utf-8")
        making.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    missing = object()
    return "; ".join(
        f"{key} is {_short(theirs.get(key))} there and {_short(ours.get(key))} here"
        for key in sorted({*theirs, *ours})
        if theirs.get(key, missing) != ours.get(key, missing)
    )


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
