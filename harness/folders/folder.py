"""The run folder: what it holds, who may use it, and whether it is this run's.

experiment.yaml   the experiment, with every name resolved; `icil run` takes it again (what it
                  said before the run was widened: experiment-1.yaml, …)
run.sqlite        the run store
leaderboard.csv   written when the run is complete, before what `playing/finishing.py` writes
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from icil.harness.folders.experiment_file import write_experiment
from icil.harness.folders.software import describe_software
from icil.harness.folders.widening import Widening, different, widen
from icil.harness.planning.plan import Plan
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks.errors import RunFolderError, StoreError

LEADERBOARD = "leaderboard.csv"
_LOCK = ".lock"


def check_folder(folder: Path, plan: Plan, *, widening: bool = False) -> Widening | None:
    """Checks, before anything is created, that a folder can be this run's.

    Args:
        folder: The folder, which need not exist.
        plan: What is to be played.
        widening: Whether the folder may hold another experiment that this one can be joined with.

    Returns:
        What the folder's run becomes; None if it holds no run yet.

    Raises:
        RunFolderError: It is a file, holds another experiment (the message names the fields
            that differ), or holds other things and no run.
        StoreError: Its store is damaged.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is a file, not a folder")
    if not (folder / FILE_NAME).exists():
        others = sorted(p.name for p in folder.iterdir() if p.name not in _ours())
        if others:
            raise RunFolderError(
                f"{folder} holds no run but other things ({', '.join(others[:3])}); "
                "name an empty or a new folder"
            )
        return None
    with closing(RunStore(folder / FILE_NAME, readonly=True)) as store:
        held = store.meta().get("experiment") or {}
        if held != plan.fields and not widening:
            raise different(folder, held, plan.fields)
        return widen(store, folder, plan)


@contextmanager
def open_folder(folder: Path, plan: Plan) -> Iterator[RunStore]:
    """Opens a run's folder for writing; makes it, or widens what it holds, if need be.

    Raises:
        RunFolderError: It holds what this run cannot be joined with, or another process is at it.
        StoreError: It cannot be written, or its store is damaged.
    """
    check_folder(folder, plan, widening=True)
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
            found = widen(store, folder, plan)  # another process may have made it meanwhile
            if found.changes:
                store.widen(found.meta, (cell.record for cell in plan.cells))
            store.use_software(describe_software())
            write_experiment(folder, plan, found.fields)
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
