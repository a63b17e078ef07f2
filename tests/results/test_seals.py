"""Seals: they hold until something is changed, and then say what."""

import sqlite3
from contextlib import closing

import pytest

from icil.results import Imitation, RunStore
from icil.results.seals import (
    Broken,
    Sealed,
    check_tables,
    find_broken,
    make_seal,
    read_episode,
    seal_tables,
)
from icil.tasks import StoreError

SEALED = Sealed(
    single=(("episodes.score", 1.0), ("episodes.message", None)),
    columns=("step", "reply", "tokens"),
    rows=((0, "naïve ☃", 3), (1, "", 4), (2, b"\x00", None)),
)


def changed(row=None, column=None, value="other", **single):
    rows = [list(one) for one in SEALED.rows]
    if row is not None:
        rows[row][column] = value
    named = tuple((name, single.get(name.partition(".")[2], one)) for name, one in SEALED.single)
    return Sealed(single=named, columns=SEALED.columns, rows=tuple(map(tuple, rows)))


def test_a_seal_holds_what_it_is_of():
    assert find_broken(make_seal(SEALED), SEALED) is None
    assert find_broken(make_seal(Sealed()), Sealed()) is None


@pytest.mark.parametrize(("row", "column"), [(r, c) for r in range(3) for c in range(3)])
def test_one_change_is_found_by_its_row_and_its_column(row, column):
    found = find_broken(make_seal(SEALED), changed(row, column))
    assert found == Broken(columns=(SEALED.columns[column],), rows=(row,))


def test_a_change_of_type_alone_is_one():
    assert find_broken(make_seal(SEALED), changed(0, 2, 3.0)) is not None
    assert find_broken(make_seal(SEALED), changed(1, 1, b"")) is not None


def test_a_single_column_is_found_by_its_name():
    found = find_broken(make_seal(SEALED), changed(score=2.0, message="x"))
    assert found == Broken(single=("episodes.score", "episodes.message"))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_rows_that_were_taken_away_are_counted(count):
    less = Sealed(single=SEALED.single, columns=SEALED.columns, rows=SEALED.rows[:count])
    assert find_broken(make_seal(SEALED), less).sealed_rows == 3
    assert find_broken(make_seal(less), SEALED).sealed_rows == count


@pytest.mark.parametrize("seal", [b"", b"x", bytes(16), bytes(17), bytes(200)])
def test_a_seal_that_is_none_is_broken(seal):
    assert find_broken(seal, SEALED) is not None


@pytest.fixture
def store(make_store, make_cell, play, answer):
    cell = make_cell()
    store = make_store(cell)
    play(store, cell, 0, 1.0, steps=[answer(input_tokens=5), answer()])
    return store


def seal(store):
    return store.rows("SELECT seal FROM episodes")[1][0][0]


def by_hand(store, statement):
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute(statement)


def test_an_episode_is_sealed_when_it_ends_and_not_before(make_store, make_cell, play):
    cell = make_cell()
    store = make_store(cell)
    store.begin_episode(1, 0)
    assert seal(store) is None
    episode = play(store, cell, 0, status="error")
    first = seal(store)
    assert find_broken(first, store.read(read_episode, episode.id)) is None
    store.begin_episode(1, 0)
    assert seal(store) is None
    store.end_episode(episode, "done", score=0.5)
    assert seal(store) not in (None, first)


def test_measuring_imitation_seals_anew_and_hides_nothing(store):
    before = seal(store)
    measured = Imitation(agrees=(True, False), copies=(None, None), expert=True, departs=1)
    store.set_imitation(1, measured)
    assert seal(store) != before
    assert find_broken(seal(store), store.read(read_episode, 1)) is None
    by_hand(store, "UPDATE steps SET input_tokens = 0")
    with pytest.raises(StoreError, match="episode 1 was changed since it was written"):
        store.set_imitation(1, measured)
    broken = find_broken(seal(store), store.read(read_episode, 1))
    assert (broken.columns, broken.rows) == (("input_tokens",), (0,))


def test_an_episode_in_error_that_was_changed_is_not_gone_on_with(make_store, make_cell, play):
    cell = make_cell()
    store = make_store(cell)
    play(store, cell, 0, status="error")
    by_hand(store, "UPDATE steps SET cost_usd = 9")
    with pytest.raises(StoreError, match="episode 1 was changed"):
        store.begin_episode(1, 0)


def test_what_describes_the_run_is_sealed_whenever_it_is_written(store):
    store.read(check_tables)
    store.use_software({"icil": "1", "libraries": {"a": "2"}})
    store.use_software({"icil": "2"})
    store.use_software({"icil": "1", "libraries": {"a": "2"}})
    assert store.rows("SELECT id, description FROM software ORDER BY id")[1] == [
        (1, '{"icil":"1","libraries":{"a":"2"}}'),
        (2, '{"icil":"2"}'),
    ]
    store.read(check_tables)
    by_hand(store, "UPDATE meta SET value = '0' WHERE key = 'experiment_hash'")
    with pytest.raises(StoreError, match="the table meta was changed since it was written"):
        store.use_software({"icil": "3"})
    with pytest.raises(StoreError, match="the table meta was changed"), store.resealing():
        pytest.fail("changes would be hidden")


def test_whoever_changes_what_describes_the_run_seals_it(store):
    with store.resealing() as db:
        db.execute("INSERT INTO meta VALUES ('more', '1')")
    store.read(check_tables)
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute("INSERT INTO meta VALUES ('again', '1')")
        with pytest.raises(StoreError):
            check_tables(db)
        seal_tables(db)
        check_tables(db)


def test_an_episode_knows_what_ended_it(store, make_cell):
    assert store.rows("SELECT software FROM episodes")[1] == [(None,)]
    store.use_software({"icil": "2"})
    store.end_episode(store.begin_episode(1, 1), "overlong", message="too long")
    assert store.rows("SELECT software FROM episodes ORDER BY id")[1] == [(None,), (1,)]
    with closing(RunStore(store.path, readonly=True)) as reader:
        reader.read(check_tables)
