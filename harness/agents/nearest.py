"""The nearest agent: in-context nearest-neighbour imitation.

It does what was done in the most similar state that it was shown, and so is a real imitator
that knows nothing else: the bar that a language model should clear.

How far apart two observations are:

    images   squared distance of 16 × 16 RGB thumbnails with 6 bits a channel
    texts    that are equal but for their numbers: squared distance of the numbers, in order
    texts    otherwise: the count of positions with another character, the shorter one padded

A text with the same wording is nearer than any other. Ties go to the demonstration shown
first, then to the earlier step. With no demonstrations it draws from the legal actions.
Where the run lists the legal actions, it looks only at states whose action is legal now.
"""

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from icil.harness.agents.agent import Agent, Capabilities, EpisodeContext, Reply, Turn
from icil.prompt_builders.rendered import keeps_pictures, render_as
from icil.tasks import Demonstration, Observation, Task, render, sample_action

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
class _Memory:
    """What an episode's demonstrations show, in the order shown."""

    actions: NDArray[np.str_]
    pixels: Features | None = None
    """Shape (states, 768), for images."""
    squares: Features | None = None
    """Of each row of `pixels`."""
    codes: NDArray[np.uint32] | None = None
    """Shape (states, longest text), padded with 0, for texts."""
    groups: Mapping[str, _Group] = field(default_factory=dict)
    """Wordings to the states that share them, where they hold numbers."""


class NearestAgent(Agent):
    """Acts as the most similar demonstrated state did; see the module."""

    capabilities = Capabilities(text=True, images=True, demonstrations="trajectory")

    def __init__(self) -> None:
        self._memories: dict[EpisodeContext, _Memory] = {}
        self._seen: dict[tuple[Task[Any], str, str], tuple[Demonstration, _Episode]] = {}
        self._locks: dict[tuple[Task[Any], str, str], Lock] = {}
        """Episodes begin on threads, and often with the same demonstrations."""

    async def begin(self, episode: EpisodeContext) -> None:
        """Renders and indexes the demonstrations."""
        if episode.demonstrations:
            self._memories[episode] = await asyncio.to_thread(self._remember, episode)

    async def act(self, turn: Turn) -> Reply:
        """Returns the action of the nearest state."""
        memory = self._memories.get(turn.episode)
        assert turn.observation is not None
        if memory is None:
            return Reply(text=sample_action(turn.legal_actions(), turn.rng()))
        among = np.ones(len(memory.actions), np.bool_)
        if turn.episode.options.legal_actions:
            legal = turn.legal_actions()
            if isinstance(legal, Sequence):
                among = np.isin(memory.actions, legal)
                if not among.any():
                    return Reply(text=sample_action(legal, turn.rng()))
        distances = _distances(memory, _look(turn.observation), among)
        return Reply(text=str(memory.actions[np.argmin(np.where(among, distances, np.inf))]))

    async def end(self, episode: EpisodeContext) -> None:
        """Forgets the episode."""
        self._memories.pop(episode, None)

    def _remember(self, episode: EpisodeContext) -> _Memory:
        shown = [s for d in episode.demonstrations for s in self._demonstration(episode, d)]
        seen = [one for one, _ in shown]
        actions = np.array([action for _, action in shown])
        if seen[0].pixels is not None:
            pixels = np.stack([s.pixels for s in seen if s.pixels is not None])
            return _Memory(actions, pixels, squares=np.einsum("ij,ij->i", pixels, pixels))
        texts = [s.codes for s in seen if s.codes is not None]
        codes = np.zeros((len(texts), max(map(len, texts))), np.uint32)
        for row, text in zip(codes, texts, strict=True):
            row[: len(text)] = text
        return _Memory(actions, codes=codes, groups=_groups(seen))

    def _demonstration(self, episode: EpisodeContext, demonstration: Demonstration) -> "_Episode":
        # An id is unique in one pool only.
        key = (episode.task, episode.format, demonstration.id)
        with self._locks.setdefault(key, Lock()):
            known = self._seen.get(key)
            if known is None or known[0] is not demonstration:
                shown = _render(episode.task, demonstration, episode.format)
                known = self._seen[key] = (demonstration, shown)
            return known[1]


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


def _distances(memory: _Memory, seen: _Seen, among: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns how far each remembered state is, shape (states,); only those `among` count."""
    if memory.pixels is not None and memory.squares is not None:
        assert seen.pixels is not None
        cross = memory.pixels @ seen.pixels
        found = memory.squares - 2 * cross + seen.pixels @ seen.pixels
        return np.asarray(found, np.float64)
    assert memory.codes is not None
    assert seen.codes is not None
    group = memory.groups.get(seen.wording)
    if group is not None and among[group.rows].any():
        distances = np.full(len(memory.actions), np.inf)
        distances[group.rows] = ((group.numbers - np.array(seen.numbers)) ** 2).sum(axis=1)
        return distances
    width = max(memory.codes.shape[1], len(seen.codes))
    mine = np.zeros(width, np.uint32)
    mine[: len(seen.codes)] = seen.codes
    shared = memory.codes.shape[1]
    differing = (memory.codes != mine[:shared]).sum(axis=1)
    return np.asarray(differing + np.count_nonzero(mine[shared:]), np.float64)


def _groups(seen: Sequence[_Seen]) -> dict[str, _Group]:
    rows: dict[str, list[int]] = {}
    for row, one in enumerate(seen):
        if one.numbers:
            rows.setdefault(one.wording, []).append(row)
    return {
        wording: _Group(np.array(members), np.array([seen[row].numbers for row in members]))
        for wording, members in rows.items()
    }
