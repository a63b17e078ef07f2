"""Which pictures are drawn, where a world takes long to draw."""

from itertools import pairwise

import numpy as np
import pytest

from icil.results.report import EpisodeReader, ReportedRun, write_report
from icil.results.report.choosing import Chosen
from icil.results.report.illustrating import Illustrator, Lack, spread
from icil.results.report.pictures import Album

STEPS = 24


class Slow(EpisodeReader):
    """Reads episodes of a world that says that it takes long, and whose pictures are noisy."""

    def draws_slowly(self, id):
        return True

    def drawn(self, id, at=None):
        for key, picture in super().drawn(id, at):
            number = id * 1000 + int(key.rpartition(".")[2])
            yield key, np.random.default_rng(number).integers(0, 256, picture.shape, np.uint8)


def steps_of(album, id):
    return sorted(int(k.rpartition(".")[2]) for k in album.places if k.startswith(f"0:{id}."))


@pytest.fixture
def episodes(cell, writer):
    """Returns a run of one cell, and the numbers of its three episodes."""
    one = cell("nearest", format="rgb")
    written = writer(one)
    ids = [written.episode(one, n, ("up", "down") * (STEPS // 2)) for n in range(3)]
    return ReportedRun(written.store), ids


def illustrate(episodes, most, room=10**7, reader=Slow):
    run, _ = episodes
    found = Illustrator(album := Album(room), most, lambda done, total: None)
    found.illustrate([Chosen(0, line) for line in run.episodes()], [reader(run)])
    return album, found.sights


def test_steps_are_spread_evenly():
    assert spread(range(9), 3) == {0, 4, 8}
    assert spread(range(5, 7), 3) == {5, 6}
    assert spread(range(9), 1) == {0}
    assert spread([], 3) == frozenset()


def test_each_episode_has_as_many_pictures_where_they_take_long(episodes):
    album, sights = illustrate(episodes, 18)
    lengths = [sight.chosen.line.steps for sight in sights]
    for id, length in zip(episodes[1], lengths, strict=True):
        found = steps_of(album, id)
        assert (found[0], found[-1], len(found)) == (0, length, 6)
        assert max(b - a for a, b in pairwise(found)) <= length / 2
    assert {sight.lack for sight in sights} == {Lack.TIME}


def test_where_there_is_time_for_few_the_first_episodes_have_one_each(episodes):
    album, sights = illustrate(episodes, 2)
    assert [steps_of(album, id) for id in episodes[1]] == [[0], [0], []]
    assert {sight.lack for sight in sights} == {Lack.TIME}


def test_quick_worlds_are_drawn_whole(episodes):
    album, sights = illustrate(episodes, 0, reader=EpisodeReader)
    for sight in sights:
        length = sight.chosen.line.steps
        assert steps_of(album, sight.chosen.line.id) == list(range(length + 1))
        assert sight.lack is Lack.NOTHING


def test_where_there_is_no_room_the_size_is_to_blame(episodes):
    album, sights = illustrate(episodes, 100, room=6000)
    assert {sight.lack for sight in sights} == {Lack.SIZE}
    assert len(album.pictures) < 9


def test_the_page_says_what_was_to_blame(episodes, monkeypatch, read_page, tmp_path):
    monkeypatch.setattr("icil.results.report.writing.EpisodeReader", Slow)
    found = write_report([episodes[0].store], tmp_path / "report.html", slow_pictures=9)
    (told,) = found.left_out
    assert told.startswith("3 of 3 episodes with pictures show only some steps, evenly spread: ")
    assert "no more than 9 such pictures (1,000 with icil report, all with icil view)" in told
    overview = read_page(found.path).overview
    (note,) = overview["notes"]
    assert note.startswith("Its world takes long to draw")
    assert overview["gaps"] == {f"0:{id}": 0 for id in episodes[1]}
