"""The cache: values come back as they were, or not at all; nothing on disk does harm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from icil.prompt_builders.cache import VARIABLE, DiskCache, open_cache

WRITER = """
import sys
from icil.prompt_builders.cache import open_cache
cache = open_cache()
for turn in range(200):
    for name in range(5):
        value = bytes([name]) * 50_000
        cache.write(f"group/{name}", value)
        assert cache.read(f"group/{name}") == value
"""


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache")


def only_file(folder):
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    return path


@pytest.mark.parametrize("value", [b"", b"x", bytes(range(256)) * 1000])
def test_a_value_comes_back_as_it_was(cache, value):
    assert cache.read("group/one") is None
    cache.write("group/one", value)
    assert cache.read("group/one") == value
    assert DiskCache(cache.folder).read("group/one") == value


def test_names_are_told_apart(cache):
    cache.write("group/one", b"1")
    cache.write("group/other", b"2")
    cache.write("other/one", b"3")
    found = [cache.read(name) for name in ("group/one", "group/other", "other/one", "other/two")]
    assert found == [b"1", b"2", b"3", None]


def test_a_value_may_be_written_again(cache):
    for value in (b"a long first value", b"another"):
        cache.write("group/one", value)
        assert cache.read("group/one") == value
    assert only_file(cache.folder).parent.name == "group"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
        lambda content: bytes(len(content)),
    ],
    ids=["empty", "beginning", "cut", "longer", "changed", "zeros"],
)
def test_a_damaged_value_is_missing_and_can_be_replaced(cache, damage):
    value = b"a value" * 10
    cache.write("group/one", value)
    path = only_file(cache.folder)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read("group/one") is None
    cache.write("group/one", value)
    assert cache.read("group/one") == value


def test_a_value_under_another_name_is_missing(cache):
    cache.write("group/one", b"1")
    path = only_file(cache.folder)
    path.rename(path.with_name(path.name.replace("one", "two")))
    assert cache.read("group/two") is None


def test_a_folder_in_a_files_place_is_no_value(cache):
    cache.write("group/one", b"1")
    path = only_file(cache.folder)
    path.unlink()
    path.mkdir()
    assert cache.read("group/one") is None
    cache.write("group/one", b"1")
    assert cache.read("group/one") is None
    assert [p for p in cache.folder.rglob("*") if p.is_file()] == []


def test_a_file_in_the_folders_place_does_no_harm(tmp_path):
    place = tmp_path / "cache"
    place.write_text("mine")
    cache = DiskCache(place)
    cache.write("group/one", b"1")
    assert cache.read("group/one") is None
    assert place.read_text() == "mine"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_read(cache):
    cache.write("group/one", b"1")
    folder = cache.folder / "group"
    folder.chmod(0o500)
    try:
        cache.write("group/two", b"2")
        assert cache.read("group/one") == b"1"
        assert cache.read("group/two") is None
    finally:
        folder.chmod(0o700)


def test_what_cannot_be_written_is_not_kept():
    cache = DiskCache(Path("/proc/icil"))
    cache.write("group/one", b"1")
    assert cache.read("group/one") is None


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path):
    cache = DiskCache(tmp_path, spare=2**62)
    cache.write("group/one", b"1")
    assert cache.read("group/one") is None


def test_nothing_is_left_of_a_write_that_failed(cache):
    limited = """
import resource, sys
from pathlib import Path
from icil.prompt_builders.cache import DiskCache
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
cache = DiskCache(Path(sys.argv[1]))
cache.write("group/small", b"1")
cache.write("group/large", bytes(20_000))
"""
    subprocess.run([sys.executable, "-c", limited, str(cache.folder)], check=True, timeout=60)
    assert cache.read("group/small") == b"1"
    assert cache.read("group/large") is None
    assert only_file(cache.folder).name == "small.cached"


def test_what_was_not_read_for_longest_goes_when_it_grows_too_large(tmp_path):
    cache = DiskCache(tmp_path / "cache", largest=10_000, spare=0)
    mine = tmp_path / "cache" / "group" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    for number in range(8):
        cache.write(f"group/{number}", bytes(1200))
    for age, number in enumerate((3, 0, 1, 2, 4, 5, 6, 7)):
        os.utime(cache.folder / "group" / f"{number}.cached", (age, age))
    assert cache.read("group/3") is not None
    for number in (8, 9):
        cache.write(f"group/{number}", bytes(1200))
    kept = [number for number in range(10) if cache.read(f"group/{number}") is not None]
    assert kept == [2, 3, 4, 5, 6, 7, 8, 9]
    assert sum(p.stat().st_size for p in cache.folder.rglob("*.cached")) <= 10_000
    assert mine.read_text() == "mine"


def test_a_large_cache_of_earlier_processes_shrinks_too(tmp_path):
    roomy = DiskCache(tmp_path, spare=0)
    for number in range(8):
        roomy.write(f"group/{number}", bytes(1200))
    DiskCache(tmp_path, largest=5000, spare=0).write("group/new", b"1")
    assert sum(p.stat().st_size for p in tmp_path.rglob("*.cached")) <= 5000
    assert roomy.read("group/new") == b"1"


def test_processes_that_write_at_once_never_see_a_part(tmp_path):
    env = {**os.environ, VARIABLE: str(tmp_path)}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER], env=env) for _ in range(2)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert len(list(tmp_path.rglob("*.cached"))) == 5


def test_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own"))
    assert open_cache().folder == tmp_path / "own"
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert open_cache().folder == tmp_path / "xdg" / "icil"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for unusable in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert open_cache().folder == tmp_path / "home" / ".cache" / "icil"


def test_a_relative_folder_is_that_of_the_moment(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "mine")
    monkeypatch.chdir(tmp_path)
    assert open_cache().folder == tmp_path / "mine"


@pytest.mark.parametrize("off", ["off", "OFF", "", " "])
def test_there_may_be_none(monkeypatch, off):
    monkeypatch.setenv(VARIABLE, off)
    assert open_cache() is None
