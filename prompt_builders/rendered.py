"""Rendered demonstrations: pictures that were drawn once come from the cache (see `cache.py`).

Kept is what is made of the pictures of slow worlds that come with icil: PNGs for prompts, and
what agents compare. A step of a text takes 0.2 ms or less, most of it the simulation that checks
the trace, and one of the quick worlds' pictures 0.5 ms: little more than to look for it. What
other tasks' pictures depend on is not known here. An entry's name holds all that they depend on:
the task with its version, settings and source, the format, the versions of what draws, a picture
drawn here and now (drivers and encoders differ between machines), and the content of the
demonstration, which was found true when it was drawn; one that is not is refused each time.
An entry is of a whole episode as it was played: windows and altered demonstrations are made of it.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter

from icil.prompt_builders.cache import open_cache
from icil.prompt_builders.png import encode_png
from icil.tasks import Demonstration, Observation, Shown, Task, render
from icil.tasks.demonstrations import Window, source_of

Pixels = NDArray[np.uint8]
"""Shape (height, width, 3), RGB."""

_LAYOUT = 1
"""Of an entry; grows whenever that changes."""
_PNG = "png"
_DRAWN_BY = {
    "icil.tasks.atari": ("ale-py",),
    "icil.tasks.cheetah": ("dm_control", "mujoco"),
    "icil.tasks.chess": ("chess",),
    "icil.tasks.fetch": ("gymnasium-robotics", "mujoco"),
    "icil.tasks.metaworld": ("metaworld", "mujoco"),
    "icil.tasks.pusht": ("gym-pusht", "pygame", "pymunk"),
}
"""The packages of the worlds whose pictures are kept, and what draws beside `_ALWAYS`."""
_ALWAYS = ("icil", "numpy", "pillow")
_CONTENT = TypeAdapter(Demonstration)


class Frame(NamedTuple):
    """A step of a demonstration, as it is kept."""

    content: bytes
    """What was made of the picture."""
    action: str
    """In the task's wording."""


def keeps_pictures(task: Task[Any], format: str) -> bool:
    """Whether `render_pngs` and `render_as` serve a task in a format."""
    return format in task.image_formats and _package(task) in _DRAWN_BY


def render_pngs(task: Task[Any], demonstration: Demonstration, format: str) -> tuple[Frame, ...]:
    """Returns each picture of a demonstration as PNG, and the action that followed.

    Raises:
        PoolError: The demonstration does not replay.
    """
    return render_as(task, demonstration, format, _PNG, encode_png)


def render_as(
    task: Task[Any],
    demonstration: Demonstration,
    format: str,
    kind: str,
    make: Callable[[Pixels], bytes],
) -> tuple[Frame, ...]:
    """Returns what is made of each picture of a demonstration, and the action that followed.

    Args:
        task: A task whose pictures are kept, see `keeps_pictures`.
        demonstration: One of its demonstrations.
        format: An image format.
        kind: Names what is made, and all that it depends on but the picture, in characters that
            the name of a file may have.
        make: Makes it.

    Raises:
        PoolError: The demonstration does not replay.
    """
    source = source_of(task, demonstration, format)
    frames = _played(source.task, source.demonstration, source.format, kind, make)
    if source.actions is None:
        return frames
    pairs = zip(frames, source.actions, strict=True)
    return tuple(Frame(frame.content, action) for frame, action in pairs)


def _played(
    task: Task[Any],
    demonstration: Demonstration,
    format: str,
    kind: str,
    make: Callable[[Pixels], bytes],
) -> tuple[Frame, ...]:
    """Returns the frames of a demonstration as it was played; otherwise as `render_as`."""
    cache = open_cache()
    if cache is None:
        return _frames(render(task, demonstration, format), make)
    if isinstance(demonstration, Window):
        first, count = demonstration.first, len(demonstration.steps)
        return _played(task, demonstration.whole, format, kind, make)[first : first + count]
    name = _name(task, demonstration, format, kind)
    entry = cache.read(name)
    if entry is not None:
        return _unpack(entry)
    drawn = None if kind == _PNG else cache.read(_name(task, demonstration, format, _PNG))
    shown = render(task, demonstration, format) if drawn is None else _decode(_unpack(drawn))
    frames = _frames(shown, make)
    cache.write(name, _pack(frames))
    return frames


def _frames(shown: Iterable[Shown], make: Callable[[Pixels], bytes]) -> tuple[Frame, ...]:
    frames: list[Frame] = []
    for observation, action in shown:
        assert observation.image is not None
        frames.append(Frame(make(observation.image), action))
    return tuple(frames)


def _decode(frames: Iterable[Frame]) -> Iterator[Shown]:
    for png, action in frames:
        with Image.open(io.BytesIO(png)) as image:
            yield Shown(Observation(image=np.asarray(image)), action)


def _pack(frames: Iterable[Frame]) -> bytes:
    index = json.dumps([(len(content), action) for content, action in frames])
    return b"\n".join((index.encode(), b"".join(content for content, _ in frames)))


def _unpack(entry: bytes) -> tuple[Frame, ...]:
    place = entry.index(b"\n") + 1
    frames: list[Frame] = []
    for size, action in json.loads(entry[:place]):
        frames.append(Frame(entry[place : place + size], action))
        place += size
    return tuple(frames)


def _name(task: Task[Any], demonstration: Demonstration, format: str, kind: str) -> str:
    content = _CONTENT.dump_json(demonstration, exclude={"id"})
    return f"{_origin(task, format)}-{kind}/{hashlib.blake2b(content, digest_size=16).hexdigest()}"


@lru_cache(maxsize=32)
def _origin(task: Task[Any], format: str) -> str:
    """Returns what stands for all that a task's pictures depend on beside the demonstration."""
    package = _package(task)
    with closing(task.make_env()) as env:
        env.reset(seed=0)
        specimen = task.observe(env, format).image
    assert specimen is not None
    identity = {
        "layout": _LAYOUT,
        "task": [task.name, task.version, dict(task.settings)],
        "class": type(task).__qualname__,
        "format": format,
        "versions": {name: _version(name) for name in (*_ALWAYS, *_DRAWN_BY[package])},
        "source": _source(package),
        "specimen": hashlib.sha256(encode_png(specimen)).hexdigest(),
    }
    digest = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16)
    return "-".join((*(re.sub(r"\W+", "_", n) for n in (task.name, format)), digest.hexdigest()))


def _package(task: Task[Any]) -> str:
    return type(task).__module__.rpartition(".")[0]


def _source(package: str) -> str:
    """Returns a digest of a package's modules, so that a changed drawing is not taken for old."""
    modules = sorted(
        (file.name, file.read_bytes())
        for file in files(package).iterdir()
        if file.name.endswith(".py")
    )
    hasher = hashlib.sha256()
    for name, content in modules:
        hasher.update(f"{name} {len(content)}\n".encode() + content)
    return hasher.hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
