"""PNG: lossless, readable by all, equal bytes for equal pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from icil.prompt_builders.png import encode_png, png_size
from icil.tasks import ContractError, make, render
from icil.tasks.pools import load_pool_for


def decoded(png):
    with Image.open(io.BytesIO(png)) as image:
        image.verify()
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3, 50), (192, 193), (480, 640)])
def test_pixels_come_back(shape):
    rng = np.random.default_rng(0)
    noise = rng.integers(256, size=(*shape, 3), dtype=np.uint8)
    flat = np.full((*shape, 3), 77, np.uint8)
    for pixels in (noise, flat, noise // 64):
        png = encode_png(pixels)
        assert np.array_equal(decoded(png), pixels)
        assert png_size(png) == (shape[1], shape[0])
        assert encode_png(pixels.copy()) == png


@pytest.mark.parametrize("name", ["gridworld", "tic_tac_toe", "chess"])
def test_pictures_of_boards_are_smaller_than_a_filtering_encoder_makes_them(name):
    task = make(name)
    shown = list(render(task, load_pool_for(task).demonstrations[0], "rgb"))
    for seen, _ in shown:
        filtered = io.BytesIO()
        Image.fromarray(seen.image).save(filtered, "PNG", compress_level=3)
        png = encode_png(seen.image)
        assert np.array_equal(decoded(png), seen.image)
        assert len(png) < len(filtered.getvalue())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int64),
    ],
)
def test_what_are_no_pixels_is_refused(pixels):
    with pytest.raises(ContractError, match="a picture is uint8 of shape"):
        encode_png(pixels)
