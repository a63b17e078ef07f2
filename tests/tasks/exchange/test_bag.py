"""Bag files: what is read, and what damage is told."""

import struct
import sys

import pytest

from icil.tasks.errors import PoolError, UsageError
from icil.tasks.exchange.bag import find_bag, read_bag

zstandard = pytest.importorskip("zstandard")

RECORDS = (b"abcdef", b"", b"123", "é".encode(), bytes(range(256)))


def test_the_layout_is_read_to_the_byte(tmp_path):
    path = tmp_path / "one.bag"
    path.write_bytes(b"abcdef123catcat" + struct.pack("<3q", 6, 9, 15))
    assert read_bag(path) == (b"abcdef", b"123", b"catcat")


def test_compressed_records_are_read(tmp_path, make_bag):
    path = tmp_path / "one.bagz"
    path.write_bytes(make_bag(zstandard.compress(r) if r else r for r in RECORDS))
    assert read_bag(path) == RECORDS


@pytest.mark.parametrize("suffix", [".bag", ".bagz"])
def test_what_the_package_bagz_writes_is_read(suffix, tmp_path):
    bagz = pytest.importorskip("bagz")
    path = tmp_path / f"one{suffix}"
    with bagz.Writer(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)
    assert read_bag(path) == RECORDS


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "one.bag").touch()
    assert read_bag(tmp_path / "one.bag") == ()


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 16, 270])
def test_a_file_that_was_cut_off_is_told(cut, tmp_path, make_bag):
    path = tmp_path / "one.bag"
    path.write_bytes(make_bag(RECORDS)[:-cut])
    with pytest.raises(PoolError, match=r"one\.bag is damaged"):
        read_bag(path)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((9, 6, 15), "record 1 would go from byte 9 to byte 6"),
        ((6, 99, 15), "record 1 would go from byte 6 to byte 99"),
        ((-1, 9, 15), "record 0 would go from byte 0"),
        ((6, 9, 14), "the offsets begin at byte 14 of 39"),
        ((6, 9, 2**40), "the offsets begin at byte 1099511627776 of 39"),
        ((6, 9, -1), "the offsets begin at byte 18446744073709551615 of 39"),
    ],
)
def test_offsets_that_cannot_be_are_told(ends, said, tmp_path):
    path = tmp_path / "one.bag"
    path.write_bytes(b"abcdef123catcat" + struct.pack("<3q", *ends))
    with pytest.raises(PoolError, match=said):
        read_bag(path)


@pytest.mark.parametrize(
    ("record", "said"),
    [(b"not compressed", "record 1: "), (zstandard.compress(b"abc" * 99)[:-4], "is cut off")],
)
def test_damaged_compression_is_told(record, said, tmp_path, make_bag):
    path = tmp_path / "one.bagz"
    path.write_bytes(make_bag([zstandard.compress(b"fine"), record]))
    with pytest.raises(PoolError, match=said):
        read_bag(path)


def test_what_is_missing_is_told(tmp_path, make_bag, monkeypatch):
    with pytest.raises(PoolError, match="cannot be read: No such file"):
        read_bag(tmp_path / "none.bag")
    (tmp_path / "one.bagz").write_bytes(make_bag([b"x"]))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UsageError, match=r"pip install 'icil\[bagz\]'"):
        read_bag(tmp_path / "one.bagz")


def test_a_stream_is_found_either_way(tmp_path):
    assert find_bag(tmp_path, "actions_txt") is None
    (tmp_path / "actions_txt.bagz").touch()
    assert find_bag(tmp_path, "actions_txt") == tmp_path / "actions_txt.bagz"
    (tmp_path / "actions_txt.bag").touch()
    assert find_bag(tmp_path, "actions_txt") == tmp_path / "actions_txt.bag"
