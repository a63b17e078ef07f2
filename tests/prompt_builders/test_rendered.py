"""Rendered demonstrations: the same from the cache as without it, and never another's."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from icil.prompt_builders import PromptBuilder, Selection, load_template
from icil.prompt_builders.cache import VARIABLE
from icil.prompt_builders.rendered import keeps_pictures, render_as, render_pngs
from icil.tasks import PoolError, UsageError, load_pool_for, make, members
from icil.tasks.chess import Chess
from icil.tasks.tic_tac_toe import TicTacToe

PROGRAM = """
import sys
from icil.prompt_builders import PromptBuilder, Selection, load_template
from icil.tasks import load_pool_for, make
task = make("chess")
pool = load_pool_for(task)
for turn in range(4):
    chosen = pool.demonstrations[:6]
    builder = PromptBuilder(task, "rgb", load_template())
    prefix = builder.prefix(Selection(demonstrations=chosen, reasons=("",) * 6))
    print(prefix.hash.hex())
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def pool():
    return load_pool_for(Chess())


@pytest.fixture
def draws(monkeypatch):
    """The boards of chess that were drawn."""
    import icil.tasks.chess.task as module

    drawn = []
    original = module.as_picture
    monkeypatch.setattr(
        module, "as_picture", lambda board: (drawn.append(board.fen()), original(board))[1]
    )
    return drawn


def prefix(task, demonstrations, format="rgb"):
    chosen = Selection(demonstrations=tuple(demonstrations), reasons=("",) * len(demonstrations))
    return PromptBuilder(task, format, load_template()).prefix(chosen)


def beginning(demonstration, steps):
    return replace(demonstration, steps=demonstration.steps[:steps], terminated=False)


def files(folder):
    return sorted(folder.rglob("*.cached"))


@pytest.mark.parametrize(("name", "count"), [("chess", 5), ("atari/phoenix", 1), ("cheetah", 2)])
def test_prompts_are_the_same_from_the_cache_as_without_it(name, count, folder, monkeypatch):
    task = make(name)
    with closing(task.make_env()) as env:
        env.reset(seed=0)
        try:
            task.observe(env, "rgb")
        except UsageError as error:
            pytest.skip(str(error))
    shown = [beginning(d, 4) for d in load_pool_for(task).demonstrations[:count]]
    cold = prefix(make(name), shown)
    assert len(files(folder)) == count
    warm = prefix(make(name), shown)
    monkeypatch.setenv(VARIABLE, "off")
    without = prefix(make(name), shown)
    assert cold.parts == warm.parts == without.parts
    assert cold.hash == warm.hash == without.hash


def test_what_is_kept_is_not_drawn_again(folder, draws, pool):
    shown = pool.demonstrations[:4]
    steps = sum(len(d.steps) for d in shown)
    prefix(Chess(), shown)
    specimen = 1
    assert len(draws) == steps + specimen
    prefix(Chess(), shown)
    assert len(draws) == steps + 2 * specimen


def test_only_what_is_shown_is_drawn_and_kept(folder, draws, pool):
    prefix(Chess(), pool.demonstrations[:1])
    assert len(draws) == len(pool.demonstrations[0].steps) + 1
    assert len(files(folder)) == 1


def test_texts_and_quick_pictures_are_not_kept(folder, pool, draws):
    prefix(Chess(), pool.demonstrations[:3], "ascii")
    prefix(TicTacToe(), load_pool_for(TicTacToe()).demonstrations[:3])
    assert not folder.exists()
    assert draws == []


class OwnChess(Chess):
    """A task of somebody else's."""


def test_a_task_that_does_not_come_with_icil_is_not_kept(folder, pool, draws):
    for _ in range(2):
        draws.clear()
        prefix(OwnChess(), pool.demonstrations[:1])
        assert len(draws) == len(pool.demonstrations[0].steps)
    assert not folder.exists()


def test_the_pictures_of_all_slow_worlds_that_ship_are_kept():
    for name in members():
        task = make(name)
        kept = {format for format in task.formats if keeps_pictures(task, format)}
        assert kept == (set(task.image_formats) if task.slow else set()), name


def test_what_is_damaged_is_drawn_again(folder, draws, pool):
    shown = pool.demonstrations[:3]
    good = prefix(Chess(), shown)
    for path, damaged in zip(files(folder), (b"", b"x" * 100, None), strict=True):
        content = path.read_bytes()
        path.write_bytes(content[:-5] + b"12345" if damaged is None else damaged)
    draws.clear()
    assert prefix(Chess(), shown) == good
    assert len(draws) == sum(len(d.steps) for d in shown) + 1
    draws.clear()
    assert prefix(Chess(), shown) == good
    assert len(draws) == 1


def test_a_cache_that_cannot_be_used_does_no_harm(tmp_path, monkeypatch, pool):
    place = tmp_path / "file"
    place.write_text("mine")
    monkeypatch.setenv(VARIABLE, "off")
    without = prefix(Chess(), pool.demonstrations[:3])
    for unusable in (place, "/proc/icil"):
        monkeypatch.setenv(VARIABLE, str(unusable))
        assert prefix(Chess(), pool.demonstrations[:3]) == without
    assert place.read_text() == "mine"


def test_settings_have_entries_of_their_own(folder):
    shown = load_pool_for(Chess()).demonstrations[:1]
    san, uci = (prefix(Chess(language=language), shown) for language in ("san", "uci"))
    assert len(files(folder)) == 2
    assert san != uci
    again = [prefix(Chess(language=language), shown) for language in ("san", "uci")]
    assert again == [san, uci]


def test_versions_have_entries_of_their_own(folder, draws, pool, monkeypatch):
    prefix(Chess(), pool.demonstrations[:1])
    monkeypatch.setattr(Chess, "version", 99)
    prefix(Chess(), pool.demonstrations[:1])
    assert len(files(folder)) == 2


def test_another_drawing_has_entries_of_its_own(folder, pool, monkeypatch):
    import icil.tasks.chess.task as module

    before = prefix(Chess(), pool.demonstrations[:2])
    original = module.as_picture
    monkeypatch.setattr(module, "as_picture", lambda board: 255 - original(board))
    inverted = prefix(Chess(), pool.demonstrations[:2])
    assert inverted != before
    monkeypatch.setattr(module, "as_picture", original)
    assert prefix(Chess(), pool.demonstrations[:2]) == before


def test_one_id_in_two_pools_is_two_entries(folder, pool):
    one, other = pool.demonstrations[:2]
    both = [prefix(Chess(), [d]) for d in (one, replace(other, id=one.id))]
    assert both[0] != both[1]
    assert [prefix(Chess(), [d]) for d in (one, replace(other, id=one.id))] == both
    assert len(files(folder)) == 2
    assert prefix(Chess(), [replace(one, id="another")]) == both[0]


def test_an_untrue_demonstration_is_refused_each_time(folder, pool):
    first = pool.demonstrations[0]
    prefix(Chess(), [first])
    steps = (*first.steps[:-1], replace(first.steps[-1], reward=17.0))
    untrue = replace(first, steps=steps)
    for _ in range(2):
        with pytest.raises(PoolError, match=f"demonstration {first.id} of chess"):
            prefix(Chess(), [untrue])
    assert len(files(folder)) == 1


def test_other_things_are_made_of_the_pngs_that_are_there(folder, pool, draws):
    shown = pool.demonstrations[0]
    task = Chess()
    drawn = [step.content for step in render_as(task, shown, "rgb", "bytes", np.ndarray.tobytes)]
    for path in files(folder):
        path.unlink()
    render_pngs(task, shown, "rgb")
    draws.clear()
    made = render_as(task, shown, "rgb", "bytes", np.ndarray.tobytes)
    assert [step.content for step in made] == drawn
    assert [step.action for step in made] == [step.action for step in shown.steps]
    assert len(draws) == 0
    # And not the other way round, nor one thing for another.
    assert render_as(task, shown, "rgb", "size", lambda p: str(p.shape).encode())[0].content == (
        b"(256, 256, 3)"
    )


def test_threads_and_processes_at_once_see_the_same(folder):
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env={**os.environ}
        )
        for _ in range(2)
    ]
    task = make("chess")
    shown = load_pool_for(task).demonstrations[:6]
    with ThreadPoolExecutor(4) as threads:
        here = set(threads.map(lambda _: prefix(make("chess"), shown).hash.hex(), range(8)))
    said = [program.communicate(timeout=60)[0].split() for program in programs]
    assert [program.returncode for program in programs] == [0, 0]
    assert {*here, *said[0], *said[1]} == here
    assert len(here) == 1
    assert len(said[0]) == len(said[1]) == 4
    assert len(files(folder)) == 6
