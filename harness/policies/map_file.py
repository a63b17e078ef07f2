"""What a map's YAML file may say, and what is told of one that says something else."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from icil.tasks.errors import ExperimentError, suggestion

SOURCES = "frame, frame:VIEW, proprio, proprio:FIRST:END, instruction or {value: …}"

_Place = Annotated[int, Field(ge=0)]
_Meanings = Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(min_length=1)]
"""What numbers mean, in their order, and how many have each meaning."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Robot(_Model):
    """The robot whose numbers a map means; it fits no task that has more or fewer."""

    name: str
    body: _Meanings
    action: _Meanings


class Actions(_Model):
    """What of an answer are the task's actions."""

    key: str | None = "actions"
    """Where the chunk stands in an answer; None where the answer is the chunk itself."""
    columns: Annotated[tuple[_Place, _Place], Field(strict=False)] | None = None
    """The first of the task's numbers, and the one after the last."""
    scale: Literal["as_is", "unit"] = "as_is"

    @model_validator(mode="after")
    def _check_columns(self) -> "Actions":
        if self.columns is not None and not self.columns[0] < self.columns[1]:
            raise ValueError("no column is taken")
        return self


class Image(_Model):
    """What is done to frames; see `PictureFormat`."""

    size: Annotated[int, Field(ge=1, le=4096)] | None = 224
    resize: Literal["pad", "stretch"] = "pad"
    rotate: Literal[0, 90, 180, 270] = 0
    layout: Literal["hwc", "chw"] = "hwc"
    numbers: Literal["uint8", "float32"] = "uint8"


class MapFile(BaseModel):
    """A map, as its file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    robot: Robot | None = None
    observation: Annotated[dict[str, Any], Field(min_length=1)]
    image: Image = Image()
    actions: Actions = Actions()


_SECTIONS: Mapping[str, type[BaseModel]] = {"image": Image, "actions": Actions, "robot": Robot}
_MEANINGS = "what the numbers mean and how many they are, such as {joint angles: 7, gripper: 1}"
_EXPECTED = {
    "": "the keys observation, image and actions",
    "observation": f"the server's keys, each with what it is given ({SOURCES})",
    "image": f"a map with the keys {', '.join(Image.model_fields)}",
    "image.size": "the pixels of a side, 1 to 4096, or null for the frame's own",
    "image.resize": "pad or stretch",
    "image.rotate": "0, 90, 180 or 270",
    "image.layout": "hwc or chw",
    "image.numbers": "uint8 or float32",
    "actions": f"a map with the keys {', '.join(Actions.model_fields)}, and columns [FIRST, END] "
    "of which END is the greater",
    "actions.key": "the key of the chunk in an answer, or null where the answer is the chunk",
    "actions.columns": "[FIRST, END], two numbers from 0, such as [0, 7]",
    "actions.scale": "as_is or unit",
    "robot": f"a map with the keys {', '.join(Robot.model_fields)}",
    "robot.name": "a text",
    "robot.body": _MEANINGS,
    "robot.action": _MEANINGS,
}


def presets() -> tuple[str, ...]:
    """Returns the names of the maps that ship, sorted."""
    folder = files("icil.harness.policies").joinpath("presets")
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir()))


def read_map(place: str) -> MapFile:
    """Returns what a map says.

    Args:
        place: The name of a preset, or the path of a file.

    Raises:
        ExperimentError: There is no such preset or file, or it says what it cannot; the message
            names the place and the key.
    """
    try:
        if place in presets():
            text = files("icil.harness.policies").joinpath("presets", f"{place}.yaml").read_text()
        elif Path(place).suffix not in (".yaml", ".yml"):
            raise ExperimentError(
                f"map: expected a .yaml file or one of the presets{suggestion(place, presets())}, "
                f"got {place!r}"
            )
        else:
            text = Path(place).read_text("utf-8")
        content = yaml.safe_load(text)
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise ExperimentError(f"map {place}: {' '.join(str(error).split())}") from error
    try:
        return MapFile.model_validate(content)
    except ValidationError as error:
        raise ExperimentError(f"{place}: {_worded(error.errors(), content)}") from error


def _worded(errors: Iterable[Any], content: Any) -> str:
    """Returns what is wrong, in words; a key that is misspelt before one that is missing."""
    first = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        *above, key = place
        known = (_SECTIONS[above[0]] if above else MapFile).model_fields
        return f"{'.'.join(above)}: " * bool(above) + f"unknown key {key!r}{suggestion(key, known)}"
    while ".".join(place) not in _EXPECTED:
        place.pop()
    got = content
    for part in place:
        got = got.get(part) if isinstance(got, Mapping) else None
    where, said = ".".join(place), "nothing" if got is None else f"{got!r:.60}"
    return f"{where}: " * bool(where) + f"expected {_EXPECTED[where]}, got {said}"
