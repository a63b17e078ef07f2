"""Frames of LeRobot data sets: from videos and PNGs, and to them."""

import importlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.errors import PoolError, UsageError

Frame = NDArray[np.uint8]

CODEC, PIXELS = "h264", "yuv420p"
"""What videos are written in; H.264 is read everywhere."""
_ENCODER = {"crf": "18", "g": "2", "preset": "fast"}
"""Hardly visible losses; every second frame stands alone, for quick access as LeRobot does."""
_TICKS = 90_000
"""A second, in the units that a video's times are counted in here."""


def read_video(path: Path, times: Sequence[float], tolerance_s: float) -> Iterator[Frame]:
    """Yields frames of a video, read once from the first to the last.

    Args:
        path: The video.
        times: When, in seconds, ascending.
        tolerance_s: How far away the nearest frame may be.

    Raises:
        PoolError: The video is damaged, or has no such frames.
        UsageError: PyAV is not installed.
    """
    av = video_library()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            container.seek(int(max(times[0] - 1e-6, 0) / stream.time_base), stream=stream)
            frames = container.decode(stream)
            before, after = None, next(frames, None)
            for time in times:
                while after is not None and after.time < time:
                    before, after = after, next(frames, None)
                near = [one for one in (before, after) if one is not None]
                best = min(near, key=lambda one: abs(one.time - time), default=None)
                if best is None or abs(best.time - time) > tolerance_s:
                    raise PoolError(f"{path} has no frame at {time:.3f} s")
                yield best.to_ndarray(format="rgb24")
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError, av.FFmpegError) as error:
        what = " ".join(str(error).split())
        raise PoolError(f"{path} cannot be read as a video: {what:.300}") from error


def write_video(path: Path, frames: Iterable[Frame], fps: int) -> None:
    """Writes a new video.

    Args:
        path: The file.
        frames: All of one shape, (height, width, 3), RGB.
        fps: Frames a second.

    Raises:
        UsageError: PyAV is not installed.
    """
    av, fractions = video_library(), importlib.import_module("fractions")
    with av.open(str(path), "w") as container:
        stream: Any = None
        for number, frame in enumerate(frames):
            if stream is None:
                stream = container.add_stream("libx264", rate=fps, options=dict(_ENCODER))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = pixels_of(*frame.shape[:2])
                stream.codec_context.time_base = fractions.Fraction(1, _TICKS)
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = round(number * _TICKS / fps)
            picture.time_base = fractions.Fraction(1, _TICKS)
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode())


def pixels_of(height: int, width: int) -> str:
    """Returns the pixel format of videos of a size: the usual one halves both of its sides."""
    return PIXELS if height % 2 == width % 2 == 0 else "yuv444p"


def read_png(data: bytes) -> Frame:
    """Returns the pixels of a picture, shape (height, width, 3), RGB.

    Raises:
        OSError: It is none, or is damaged.
        ValueError: The same.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"), np.uint8)
    except (SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(str(error)) from error


def write_png(frame: Frame) -> bytes:
    """Returns a picture as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG")
    return buffer.getvalue()


def video_library() -> Any:
    """Returns the module `av`.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("av")
    except ModuleNotFoundError as error:
        raise UsageError("videos take a package more: pip install 'icil[lerobot]'") from error
