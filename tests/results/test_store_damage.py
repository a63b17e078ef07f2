"""Files that are no store, or no longer: refused with a line that helps, and left alone."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from icil.results import Answer, Played, RunStore, make_leaderboard, open_run
from icil.results.store import LAYOUT
from icil.tasks import RunFolderError, StoreError

PAGE = 4096


@pytest.fixture
def written(make_store, make_cell):
    """The path of a store of some pages, closed."""
    rng, store = np.random.default_rng(0), make_store(make_cell(), make_cell())
    for opening in range(3):
        episode = store.begin_episode(1, opening)
        for step in range(10):
            reply = Answer(reply=f"{opening} {step} " * 40, status="ok", action="a")
            parts = [(rng.bytes(16), "text", rng.bytes(700))]
            store.add_step(episode, step, reply, parts, Played(reward=1.0) if step else None)
    store.close()
    assert store.path.stat().st_size > 10 * PAGE
    return store.path


@pytest.fixture
def other(tmp_path):
    """Returns a function that makes somebody else's SQLite file."""

    def other(*statements):
        path = tmp_path / "other.sqlite"
        with closing(sqlite3.connect(path)) as db, db:
            for statement in statements:
                db.execute(statement)
        return path

    return other


def refused(path, says):
    """Checks that a file is refused in one line, by writers and readers, and left as it is."""
    before = path.read_bytes()
    for readonly in (False, True):
        with pytest.raises(StoreError) as raised:
            RunStore(path, readonly=readonly)
        message = str(raised.value)
        assert says in message
        assert str(path) in message
        assert "\n" not in message
        assert path.read_bytes() == before


def lengths(size):
    pages = range(PAGE, size, PAGE)
    within = [1, 15, 16, 17, 50, 99, 100, 101, 511, 512, 1024, PAGE - 1]
    around = [length for page in pages for length in (page - 1, page + 1, page + 2000)]
    return sorted({*pages, *within, *around, size - 979, size - 1} & set(range(1, size)))


def test_a_truncated_store_is_refused_at_every_length(written, tmp_path):
    whole = written.read_bytes()
    assert len(whole) % PAGE == 0
    for length in lengths(len(whole)):
        folder = tmp_path / str(length)
        folder.mkdir()
        path = folder / "run.sqlite"
        path.write_bytes(whole[:length])
        refused(path, "it was left as it is")


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "run.sqlite"
    path.touch()
    refused(path, "is empty: it was truncated; it was left as it is")


@pytest.mark.parametrize("content", [b"x", b"rank,task\n" * 2000, b"SQLite format 4\0" * 500])
def test_a_file_that_is_not_sqlite_is_refused(tmp_path, content):
    path = tmp_path / "run.sqlite"
    path.write_bytes(content)
    refused(path, "it was left as it is")


def test_a_store_with_overwritten_pages_is_refused(written):
    whole = written.read_bytes()
    for page in range(1, len(whole) // PAGE):
        damaged = bytearray(whole)
        damaged[page * PAGE : (page + 1) * PAGE] = b"\xa5" * PAGE
        written.write_bytes(damaged)
        refused(written, "damaged")


def test_a_truncated_store_keeps_what_is_still_in_its_log(make_store, make_cell, tmp_path):
    """As a crash of the machine may leave it: the file is short, but the log has the rest."""
    rng, store = np.random.default_rng(0), make_store(make_cell())
    episode = store.begin_episode(1, 0)
    for step in range(60):
        parts = [(rng.bytes(16), "text", rng.bytes(700))]
        store.add_step(episode, step, Answer(reply="r", status="ok", action="a"), parts)
    log = Path(f"{store.path}-wal")
    assert log.stat().st_size > 60 * PAGE
    for cut, whole in ((store.path.stat().st_size, True), (100, False), (PAGE, False)):
        folder = tmp_path / f"cut at {cut}"
        folder.mkdir()
        path = folder / "run.sqlite"
        path.write_bytes(store.path.read_bytes()[:cut])
        shutil.copy(log, folder / "run.sqlite-wal")
        if whole:
            with closing(RunStore(path)) as again:
                assert len(again.begin_episode(1, 0).steps) == 60
        else:
            refused(path, "damaged")
            assert (folder / "run.sqlite-wal").read_bytes() == log.read_bytes()


def test_a_store_of_a_newer_layout_is_refused(written):
    with closing(sqlite3.connect(written)) as db, db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'layout'")
    refused(written, f"has layout 99; this version of icil reads layout {LAYOUT}")


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE episodes (id)"],
        ["CREATE TABLE meta (name, value)", "INSERT INTO meta VALUES ('layout', '1')"],
        ["CREATE TABLE meta (key, value)", "INSERT INTO meta VALUES ('version', '1.2.3')"],
        ["CREATE TABLE meta (key, value)"],
        ["CREATE TABLE meta (key, value, more)", "INSERT INTO meta VALUES ('layout', '1', 2)"],
    ],
)
def test_the_database_of_somebody_else_is_refused(other, statements):
    path = other(*statements)
    refused(path, "is not the store of a run; it was left as it is")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_missing_file_is_refused_and_not_made(tmp_path):
    for path in (tmp_path / "run.sqlite", tmp_path):
        for readonly in (False, True):
            with pytest.raises(StoreError, match=f"no run store at {path}"):
                RunStore(path, readonly=readonly)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_run_is_told_from_a_damaged_run(tmp_path, written):
    (tmp_path / "nothing").mkdir()
    for folder in (tmp_path / "nothing", tmp_path / "nowhere"):
        with pytest.raises(RunFolderError, match=f"{folder} holds no run"):
            open_run(folder)
    with closing(open_run(written.parent)) as store, pytest.raises(StoreError, match="readonly"):
        store.begin_episode(1, 0)
    written.write_bytes(b"x")
    with pytest.raises(StoreError):
        open_run(written.parent)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("DELETE FROM meta WHERE key = 'experiment'", "lacks the run's experiment"),
        ("UPDATE meta SET value = '[]' WHERE key = 'formats'", "lacks the run's formats"),
        ("UPDATE cells SET task = 'other' WHERE id = 1", "has no task other"),
        ("UPDATE cells SET options = '{' WHERE id = 1", "options of a cell are not JSON"),
    ],
)
def test_what_no_run_writes_is_told_of_and_not_read(written, change, says):
    with closing(sqlite3.connect(written)) as db, db:
        db.execute(change)
    with (
        closing(open_run(written.parent)) as store,
        pytest.raises(StoreError, match=says) as error,
    ):
        make_leaderboard(store)
    assert str(error.value).endswith("`icil verify` says where")
