"""Where the images of a prompt stand in what a processor makes of it, and its pieces.

A prompt is cut only where no image is, and each piece takes along the pixels of its images and
no others. Only what is understood is cut: every output of the processor must either go along
the tokens or hold the images one after the other, and the image tokens must come out as the
images' own counts of them say.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from icil.harness.models.transformers.cache import BLOCK, Blocks, TokenIds
from icil.prompt_builders import ImagePart

IMAGES = 4
"""Images of a block, at most."""
MODELS = frozenset(
    {
        "llava",
        "llava_next",
        "qwen2_5_vl",
        "qwen2_vl",
        "qwen3_5",
        "qwen3_vl",
    }
)
"""Types of models whose prompts are cut; each was tried. Gemma 3 was as well, but its scores then
differ by 0.07 %, in double precision too."""
PLACES = "position_ids"
"""Where the tokens are said to stand, which no processor gives; shape (…, tokens)."""
_MASK = "attention_mask"
_ALONG_TOKENS = frozenset({"input_ids", "mm_token_type_ids", "token_type_ids"})
"""Outputs of the shape (1, tokens); and the mask, which must hide nothing."""
_ALONG_IMAGES = frozenset({"image_grid_thw", "image_sizes", "pixel_values"})
"""Outputs that hold the images one after the other: a row each, or as many as the grid says."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pieces:
    """A prompt that can be cut."""

    inputs: Mapping[str, Any]
    """What a model is given of it."""
    starts: Sequence[int]
    """At which token each image begins."""
    rows: Mapping[str, Sequence[int]]
    """By output: in which row each image begins, and how many rows there are."""
    blocks: Blocks
    """The tokens, those of an image replaced by what tells its content."""

    def piece(self, start: int, end: int) -> dict[str, Any]:
        """Returns what a model is given of the tokens from one to before another."""
        cut = {*_ALONG_TOKENS, PLACES} & {*self.inputs}
        found = {name: self.inputs[name][..., start:end] for name in cut}
        first, last = bisect_left(self.starts, start), bisect_left(self.starts, end)
        if first < last:
            for name, rows in self.rows.items():
                found[name] = self.inputs[name][rows[first] : rows[last]]
        return {**found, _MASK: self.inputs[_MASK][:, :end]}

    def lie(self, start: int) -> tuple[bool, bool]:
        """Returns whether there are images before a token, and whether there are any after it."""
        before = bisect_left(self.starts, start)
        return before > 0, before < len(self.starts)


def cut(
    inputs: Mapping[str, Any],
    images: Sequence[ImagePart],
    count: Callable[[ImagePart], int],
    image_token: int,
) -> Pieces | None:
    """Returns a prompt's pieces; None where it is not understood.

    Its last token is in no block: an answer goes on from there.

    Args:
        inputs: What the processor made of it.
        images: The prompt's, in their order.
        count: Tells how many image tokens an image takes.
        image_token: What stands for a patch of an image.
    """
    rows = _rows(inputs, len(images))
    ids: TokenIds = inputs["input_ids"][0].cpu().numpy().astype(np.int64)
    spans = _spans(np.flatnonzero(ids == image_token), [count(image) for image in images])
    if rows is None or spans is None or (spans and spans[-1][1] == len(ids)):
        return None
    shapes = {name: tuple(inputs[name].shape[1:]) for name in sorted(rows)}
    for image, (start, end) in zip(images, spans, strict=True):
        ids[start:end] = _known_by(image, shapes)
    return Pieces(
        inputs=inputs,
        starts=[start for start, _ in spans],
        rows=rows,
        blocks=Blocks(ids, _ends(len(ids), spans)),
    )


def _rows(inputs: Mapping[str, Any], images: int) -> dict[str, list[int]] | None:
    tokens, found = inputs["input_ids"].shape, {}
    for name, value in inputs.items():
        if not isinstance(value, torch.Tensor):
            return None
        if name == _MASK or name in _ALONG_TOKENS:
            if value.shape != tokens or (name == _MASK and not bool(value.all())):
                return None
        elif name in _ALONG_IMAGES:
            each = [1] * images
            if name == "pixel_values" and "image_grid_thw" in inputs:
                each = inputs["image_grid_thw"].prod(-1).tolist()
            if len(each) != images or sum(each) != len(value):
                return None
            found[name] = [0, *np.cumsum(each).tolist()]
        else:
            return None
    return found if _MASK in inputs and tokens[0] == 1 and bool(found) == bool(images) else None


def _spans(places: NDArray[np.int64], counts: Sequence[int]) -> list[tuple[int, int]] | None:
    """Returns where each image begins and ends, what stands between its own tokens included."""
    if sum(counts) != len(places) or not all(counts):
        return None
    bounds = [0, *np.cumsum(counts).tolist()]
    return [(int(places[one]), int(places[other - 1]) + 1) for one, other in pairwise(bounds)]


def _known_by(image: ImagePart, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Returns what no other image is known by, below all tokens.

    Processors may pad an image to the size of others; the model is to pay no heed to that, but
    computes it in another shape.
    """
    digest = hashlib.blake2b(image.hash + repr(shapes).encode(), digest_size=8).digest()
    return -1 - (int.from_bytes(digest) >> 1)


def _ends(length: int, spans: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Returns where blocks end: after so many images, or so many tokens and outside of images."""
    closes = [end for _, end in spans]
    found: list[int] = []
    start = 0
    while True:
        end, first = start + BLOCK, bisect_left(closes, start + 1)
        if first + IMAGES <= len(spans):
            end = min(end, closes[first + IMAGES - 1])
        within = bisect_right(closes, end)
        if within < len(spans) and spans[within][0] < end:
            end = closes[within]
        if end >= length:
            return tuple(found)
        found.append(end)
        start = end
