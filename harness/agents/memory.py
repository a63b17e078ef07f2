"""What demonstrations show, kept to be compared with what is seen now.

How far apart two observations are:

    images   squared distance of 16 × 16 RGB thumbnails with 6 bits a channel
    texts    that are equal but for their numbers: squared distance of the numbers, in order
    texts    otherwise: the count of positions with another character, the shorter one padded

A text with the same wording is nearer than any other.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from icil.prompt_builders.rendered import keeps_pictures, render_as
from icil.tasks import Demonstration, Observation, Task, render
from icil.tasks.demonstrations import source_of

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_SIDE = 16
_DROPPED_BITS = 2
_THUMBNAIL = f"thumbnail-{_SIDE}-box-{8 - _DROPPED_BITS}bit"
"""Names what `_thumbnail` makes, in the cache."""

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """An observation, ready to be compared."""

    pixels: Features | None = None
    wording: str = ""
    numbers: tuple[float, ...] = ()
    codes: NDArray[np.uint32] | None = None


_Episode = tuple[tuple[_Seen, str], ...]
"""What a demonstration shows: observations and actions."""


class _Group(NamedTuple):
    """States whose texts are equal but for their numbers."""

    rows: NDArray[np.intp]
    numbers: NDArray[np.float64]
    """Shape (rows, numbers in the text)."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What some demonstrations show, in the order shown."""

    actions: NDArray[np.str_]
    """What was done in each state, shape (states,)."""
    _pixels: Features | None = None
    """Shape (states, 768), for images."""
    _squares: Features | None = None
    """Of each row of `_pixels`."""
    _codes: NDArray[np.uint32] | None = None
    """Shape (states, longest text), padded with 0, for texts."""
    _groups: Mapping[str, _Group] = field(default_factory=dict)
    """Wordings to the states that share them, where they hold numbers."""

    def nearest(
        self, observation: Observation, legal: Sequence[str] | None = None
    ) -> tuple[str, ...]:
        """Returns what was done in the states most like an observation.

        Args:
            observation: What is seen now, in the format of what is remembered.
            legal: Only states in which one of these was done are looked at; None for all.

        Returns:
            The different actions of all the states that are equally near, in the order in which
            they were shown; empty if there is no state to look at.
        """
        among = np.ones(len(self.actions), np.bool_)
        if legal is not None:
            among = np.isin(self.actions, legal)
        if not among.any():
            return ()
        distances = np.where(among, self._distances(_look(observation), among), np.inf)
        rows = np.flatnonzero(distances == distances.min())
        return tuple(dict.fromkeys(self.actions[rows].tolist()))

    def _distances(self, seen: _Seen, among: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Returns how far each state is, shape (states,); only those `among` count."""
        if self._pixels is not None and self._squares is not None:
            assert seen.pixels is not None
            cross = self._pixels @ seen.pixels
            found = self._squares - 2 * cross + seen.pixels @ seen.pixels
            return np.asarray(found, np.float64)
        assert self._codes is not None
        assert seen.codes is not None
        group = self._groups.get(seen.wording)
        if group is not None and among[group.rows].any():
            distances = np.full(len(self.actions), np.inf)
            distances[group.rows] = ((group.numbers - np.array(seen.numbers)) ** 2).sum(axis=1)
            return distances
        width = max(self._codes.shape[1], len(seen.codes))
        mine = np.zeros(width, np.uint32)
        mine[: len(seen.codes)] = seen.codes
        shared = self._codes.shape[1]
        differing = (self._codes != mine[:shared]).sum(axis=1)
        return np.asarray(differing + np.count_nonzero(mine[shared:]), np.float64)


class Memories:
    """Makes memories; what it has rendered once it keeps. Safe to use from many threads."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Task[Any], str, str], tuple[Demonstration, _Episode]] = {}
        self._locks: dict[tuple[Task[Any], str, str], Lock] = {}

    def of(self, task: Task[Any], format: str, demonstrations: Sequence[Demonstration]) -> Memory:
        """Renders and indexes demonstrations, of which there is one or more; may take long.

        Raises:
            PoolError: One does not replay.
        """
        shown = [s for d in demonstrations for s in self._demonstration(task, format, d)]
        seen = [one for one, _ in shown]
        actions = np.array([action for _, action in shown])
        if seen[0].pixels is not None:
            pixels = np.stack([s.pixels for s in seen if s.pixels is not None])
            return Memory(actions, pixels, _squares=np.einsum("ij,ij->i", pixels, pixels))
        texts = [s.codes for s in seen if s.codes is not None]
        codes = np.zeros((len(texts), max(map(len, texts))), np.uint32)
        for row, text in zip(codes, texts, strict=True):
            row[: len(text)] = text
        return Memory(actions, _codes=codes, _groups=_groups(seen))

    def _demonstration(
        self, task: Task[Any], format: str, demonstration: Demonstration
    ) -> _Episode:
        source = source_of(task, demonstration, format)
        # An id is unique in one pool only.
        key = (source.task, source.format, source.demonstration.id)
        with self._locks.setdefault(key, Lock()):
            known = self._seen.get(key)
            if known is None or known[0] is not source.demonstration:
                shown = _render(source.task, source.demonstration, source.format)
                known = self._seen[key] = (source.demonstration, shown)
        if source.actions is None:
            return known[1]
        pairs = zip(known[1], source.actions, strict=True)
        return tuple((seen, action) for (seen, _), action in pairs)


def _render(task: Task[Any], demonstration: Demonstration, format: str) -> _Episode:
    if keeps_pictures(task, format):
        frames = render_as(task, demonstration, format, _THUMBNAIL, _thumbnail)
        return tuple((_seen_image(thumbnail), action) for thumbnail, action in frames)
    return tuple((_look(seen), action) for seen, action in render(task, demonstration, format))


def _look(observation: Observation) -> _Seen:
    if observation.image is not None:
        return _seen_image(_thumbnail(observation.image))
    text = observation.text or ""
    numbers = tuple(float(number) for number in _NUMBER.findall(text))
    return _Seen(
        wording=_NUMBER.sub("#", text),
        numbers=numbers if all(map(math.isfinite, numbers)) else (),
        codes=np.array([ord(character) for character in text], np.uint32),
    )


def _thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    small = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    # Six bits a channel keep every sum below 2**24, so that float32 sums are exact and the
    # nearest state does not depend on the order in which a machine adds.
    return (np.asarray(small, np.uint8) >> _DROPPED_BITS).tobytes()


def _seen_image(thumbnail: bytes) -> _Seen:
    return _Seen(pixels=np.frombuffer(thumbnail, np.uint8).astype(np.float32))


def _groups(seen: Sequence[_Seen]) -> dict[str, _Group]:
    rows: dict[str, list[int]] = {}
    for row, one in enumerate(seen):
        if one.numbers:
            rows.setdefault(one.wording, []).append(row)
    return {
        wording: _Group(np.array(members), np.array([seen[row].numbers for row in members]))
        for wording, members in rows.items()
    }
