"""Parts: texts and images, each known by its hash."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from icil.prompt_builders import ImagePart, TextPart, encode_image
from icil.prompt_builders.parts import HASH_BYTES, combined_hash, merge_text
from icil.tasks import make

PROGRAM = """
import numpy as np
from icil.prompt_builders import TextPart, encode_image
pixels = np.arange(3 * 20 * 30, dtype=np.uint8).reshape(20, 30, 3)
print(TextPart("é").hash.hex(), encode_image(pixels).hash.hex())
"""


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)


def text(*texts):
    return tuple(map(TextPart, texts))


def test_hashes_are_those_of_everybody():
    assert TextPart("x . o").hash.hex() == "0603e90e363a811e116771cf954722f2"
    assert ImagePart(b"x . o", 1, 1).hash.hex() == "5eccd7d161614c7c2ea41b310085e0bb"
    assert combined_hash(p.hash for p in text("a", "b")).hex() == "340f9d3018ee8dce97cc2c66a4b5afa5"
    assert len(TextPart("").hash) == HASH_BYTES == 16


def test_a_text_and_an_image_of_the_same_bytes_are_told_apart():
    assert TextPart("x").hash != ImagePart(b"x", 1, 1).hash
    assert TextPart("x") != ImagePart(b"x", 1, 1)


def test_a_part_is_told_by_its_content():
    assert TextPart("x") == TextPart("x")
    assert TextPart("x").hash == TextPart("x").hash
    hashes = [TextPart(t).hash for t in ("", " ", "x", "x ", "x\n", "X", "é", "e\u0301")]
    assert len(set(hashes)) == len(hashes)


def test_a_combined_hash_depends_on_the_order():
    one, other = text("a", "b")
    assert combined_hash([one.hash, other.hash]) != combined_hash([other.hash, one.hash])
    assert combined_hash([one.hash]) != one.hash


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (50, 3), (192, 192)])
def test_a_png_has_the_same_pixels(shape):
    pixels = noise(*shape)
    part = encode_image(pixels)
    with Image.open(io.BytesIO(part.png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert np.array_equal(np.asarray(image), pixels)
    assert (part.height, part.width) == shape


def test_a_view_of_pixels_is_encoded_as_it_looks():
    pixels = noise(40, 60)
    for view in (pixels[::2, 5:40], pixels[::-1], pixels.transpose(1, 0, 2)):
        assert encode_image(view).png == encode_image(view.copy()).png
        with Image.open(io.BytesIO(encode_image(view).png)) as image:
            assert np.array_equal(np.asarray(image), view)


def test_equal_pixels_give_equal_bytes_and_others_do_not():
    pixels = noise(30, 30)
    assert encode_image(pixels) == encode_image(pixels.copy())
    assert encode_image(pixels).hash == encode_image(pixels.copy()).hash
    changed = pixels.copy()
    changed[29, 29, 2] ^= 1
    assert encode_image(changed).png != encode_image(pixels).png
    assert encode_image(changed).hash != encode_image(pixels).hash


def test_encoding_leaves_the_pixels_as_they_are():
    pixels = noise(8, 8)
    before = pixels.copy()
    encode_image(pixels)
    assert np.array_equal(pixels, before)


def test_pictures_of_the_tasks_survive():
    for name in ("gridworld", "tic_tac_toe"):
        task = make(name)
        env = task.make_env()
        task.reset(env, task.openings("evaluation")[0])
        pixels = task.observe(env, "rgb").image
        with Image.open(io.BytesIO(encode_image(pixels).png)) as image:
            assert np.array_equal(np.asarray(image), pixels)


def test_hashes_are_the_same_in_every_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "77")
    }
    pixels = np.arange(3 * 20 * 30, dtype=np.uint8).reshape(20, 30, 3)
    here = f"{TextPart('é').hash.hex()} {encode_image(pixels).hash.hex()}\n"
    assert said == {here.encode()}


def test_texts_that_follow_each_other_become_one():
    image, other = encode_image(noise(2, 2)), encode_image(noise(3, 3))
    assert merge_text([]) == ()
    assert merge_text(text("a")) == text("a")
    assert merge_text(text("a", "", "b\n", "c")) == text("ab\nc")
    assert merge_text([image, other]) == (image, other)
    assert merge_text([*text("a", "b"), image, *text("c", "d"), other, *text("e")]) == (
        *text("ab"),
        image,
        *text("cd"),
        other,
        *text("e"),
    )
    assert merge_text([image, *text("a", "b")]) == (image, *text("ab"))


def test_merging_changes_nothing_that_is_read():
    parts = [*text("a", "b"), encode_image(noise(2, 2)), *text("c", "d")]
    assert merge_text(merge_text(parts)) == merge_text(parts)
    assert "".join(p.text for p in merge_text(parts) if isinstance(p, TextPart)) == "abcd"
