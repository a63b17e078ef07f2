"""The prefix: made once, the same bytes for equal selections, of what is asked for alone."""

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from icil.prompt_builders import ImagePart, Prefix, Selection, TextPart
from icil.prompt_builders.parts import combined_hash
from icil.tasks import PoolError, render

PROGRAM = """
import sys
import numpy as np
from icil.prompt_builders import PromptBuilder, Query, RandomSelector, load_template
from icil.tasks import build_pool, make
from icil.tasks.seeding import generator
for name in ("tic_tac_toe", "gridworld"):
    task = make(name)
    pool = build_pool(task, 12)
    for format in task.formats:
        query = Query(task=task, format=format, opening=task.openings("evaluation")[0])
        chosen = RandomSelector().select(pool, query, 5, generator("selection", 0))
        prefix = PromptBuilder(task, format, load_template()).prefix(chosen)
        for part in prefix.parts:
            sys.stdout.buffer.write(getattr(part, "png", None) or part.text.encode())
        sys.stdout.buffer.write(prefix.hash)
"""


def content(prefix):
    return [part.png if isinstance(part, ImagePart) else part.text for part in prefix.parts]


@pytest.mark.parametrize("format", ["ascii", "rgb"])
def test_equal_selections_give_equal_bytes(make_builder, select, format):
    one = make_builder(format).prefix(select(3, 1, 2))
    builder = make_builder(format)
    builder.prefix(select(5, 2, 1))
    other = builder.prefix(select(3, 1, 2))
    assert content(one) == content(other)
    assert one == other
    assert one.hash == other.hash
    assert hash(one) == hash(other)


def test_equal_selections_give_equal_bytes_in_every_process():
    said = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "424242")
    ]
    assert said[0] == said[1]
    assert said[0].count(b"\x89PNG") > 20


def test_other_selections_give_other_prefixes(make_builder, select):
    builder = make_builder()
    found = [builder.prefix(select(*places)) for places in ((), (1,), (2,), (1, 2), (2, 1))]
    assert len({prefix.hash for prefix in found}) == len(found)
    assert len(set(found)) == len(found)


def test_a_prefix_grows_by_whole_demonstrations(make_builder, select):
    builder = make_builder()
    some, more = (builder.prefix(select(*places)).parts for places in ((4, 5), (4, 5, 6)))
    # All but the last part, which opens the episode.
    assert more[: len(some) - 1] == some[:-1]
    assert more[-1] == some[-1]


@pytest.mark.parametrize("format", ["ascii", "rgb"])
def test_each_demonstration_is_rendered_once(watched, make_builder, select, format):
    builder = make_builder(format, task=watched)
    builder.prefix(select(0, 1, 2))
    steps = sum(len(d.steps) for d in select(0, 1, 2).demonstrations)
    assert (watched.envs, watched.observed) == (3, steps)
    for places in ((2, 1, 0), (0,), (1, 2), (0, 1, 2)):
        builder.prefix(select(*places))
    assert (watched.envs, watched.observed) == (3, steps)
    builder.prefix(select(0, 3))
    assert watched.envs == 4
    assert watched.observed == steps + len(select(3).demonstrations[0].steps)


def test_each_demonstration_is_rendered_once_by_many_threads(watched, make_builder, select):
    builder = make_builder("rgb", task=watched)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(builder.prefix, [select(0, 1, 2, 3)] * 8))
    assert watched.envs == 4
    assert len({prefix.hash for prefix in found}) == 1


def test_rendered_parts_are_shared_between_prefixes(make_builder, select):
    builder = make_builder("rgb")
    one, other = builder.prefix(select(0, 1)), builder.prefix(select(1, 0))
    images = {part.hash: part for part in one.parts if isinstance(part, ImagePart)}
    for part in other.parts:
        if isinstance(part, ImagePart):
            assert images[part.hash] is part


def test_a_text_prefix_draws_nothing(make_builder, select, monkeypatch):
    def draw(*_):
        raise AssertionError

    monkeypatch.setattr("icil.tasks.tic_tac_toe.task.as_picture", draw)
    monkeypatch.setattr("icil.prompt_builders.builder.encode_image", draw)
    assert make_builder("ascii").prefix(select(0, 1)).images == 0
    with pytest.raises(AssertionError):
        make_builder("rgb").prefix(select(0, 1))


def test_a_prefix_of_images_holds_what_was_seen(task, make_builder, select):
    chosen = select(0, 1, 2)
    prefix = make_builder("rgb").prefix(chosen)
    shown = [part for part in prefix.parts if isinstance(part, ImagePart)]
    seen = [o.image for d in chosen.demonstrations for o, _ in render(task, d, "rgb")]
    assert prefix.images == len(shown) == len(seen)
    for part, pixels in zip(shown, seen, strict=True):
        with Image.open(io.BytesIO(part.png)) as image:
            assert np.array_equal(np.asarray(image), pixels)


def test_an_image_stands_where_the_text_would(make_builder, task, select):
    """The two formats' prompts differ in nothing but the observations."""
    chosen = select(0, 1)
    shown = content(make_builder("rgb").prefix(chosen))
    words = "".join(c if isinstance(c, str) else "~" for c in shown)
    text = "".join(content(make_builder("ascii").prefix(chosen)))
    for demonstration in chosen.demonstrations:
        for observation, _ in render(task, demonstration, "ascii"):
            text = text.replace(observation.text, "~")
    assert words == text


def test_no_text_follows_a_text_within_a_demonstration(make_builder, select):
    kinds = [isinstance(p, TextPart) for p in make_builder("rgb").prefix(select(0)).parts]
    # Preamble, start, then the recording: text, image, text, …, text; the end, the episode.
    middle = kinds[2:-2]
    assert middle == [True, False] * (len(middle) // 2) + [True]


def test_a_hash_is_that_of_the_parts(make_builder, select):
    prefix = make_builder("rgb").prefix(select(0, 1))
    assert prefix.hash == combined_hash(part.hash for part in prefix.parts)
    assert Prefix(prefix.parts) == prefix
    assert Prefix(prefix.parts[:-1]) != prefix
    assert prefix != prefix.hash


def test_an_untrue_demonstration_is_not_shown(make_builder, pool):
    first = pool.demonstrations[0]
    steps = (replace(first.steps[0], state="0" * 16), *first.steps[1:])
    untrue = Selection(demonstrations=(replace(first, steps=steps),), reasons=("",))
    builder = make_builder()
    for _ in range(2):
        with pytest.raises(PoolError, match=f"demonstration {first.id} of tic_tac_toe"):
            builder.prefix(untrue)
