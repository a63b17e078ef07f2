"""From a task's senses to the keys that a policy's server reads: a YAML file.

    observation:                       # a key of the server to what it is given
      observation/image: frame         # the task's main view
      observation/wrist: frame:gripper # another one
      observation/state: proprio:0:8   # the body's numbers, or some of them
      prompt: instruction
      gripper: {value: [0.0]}          # a constant
      images: {cam_high: frame}        # a map in the map
    image: {size: 224, resize: pad, rotate: 0, layout: hwc, numbers: uint8}
    actions: {key: actions, columns: [0, 7], scale: as_is}

`columns` picks those of the answer that are the task's; `scale: unit` takes -1 to 1 for the bounds
of the task. The files of `presets/` go by their names: `libero`, `droid`, `aloha`, `plain`.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from icil.harness.policies.pictures import PictureFormat
from icil.tasks import ActionBox, Task
from icil.tasks.errors import ExperimentError, suggestion

Source = Callable[[Any], Any]
"""Makes what is sent under a key of an environment."""

_SOURCES = "frame, frame:VIEW, proprio, proprio:FIRST:END, instruction or {value: …}"


class _Actions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: str | None = "actions"
    """Where the chunk stands in an answer; None where the answer is the chunk itself."""
    columns: Annotated[tuple[int, int], Field(strict=False)] | None = None
    scale: Literal["as_is", "unit"] = "as_is"


class _Image(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: Annotated[int, Field(ge=1, le=4096)] | None = 224
    resize: Literal["pad", "stretch"] = "pad"
    rotate: Literal[0, 90, 180, 270] = 0
    layout: Literal["hwc", "chw"] = "hwc"
    numbers: Literal["uint8", "float32"] = "uint8"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    observation: dict[str, Any] = Field(min_length=1)
    image: _Image = _Image()
    actions: _Actions = _Actions()


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """A mapping that fits a task.

    Args:
        task: The task.
        box: The bounds of its actions.
        sources: For each key what makes its value of an environment.
        actions: What of an answer are actions.
    """

    task: Task[Any]
    box: ActionBox
    sources: Mapping[str, Source]
    actions: _Actions

    def observe(self, env: Any) -> dict[str, Any]:
        """Returns what is sent of the present state: arrays, texts and numbers by key."""
        return {key: source(env) for key, source in self.sources.items()}

    def read(self, answer: Any) -> Any:
        """Returns the actions of an answer as the task scales them, unchecked.

        Raises:
            KeyError: The answer has none.
        """
        actions, key = self.actions, self.actions.key
        if key is not None:
            if not isinstance(answer, Mapping) or key not in answer:
                known = ", ".join(map(str, answer)) if isinstance(answer, Mapping) else "no map"
                raise KeyError(f"the answer holds no {key!r} ({known:.80})")
            answer = answer[key]
        try:
            found = np.asarray(answer)
        except ValueError:  # rows of several lengths
            return answer
        if found.dtype.kind not in "iuf" or not found.ndim:
            return answer
        found = found.astype(np.float64)
        if actions.columns is not None:
            found = found[..., actions.columns[0] : actions.columns[1]]
        if actions.scale == "unit" and found.shape[-1] == self.box.dimension:
            found = self.box.low + (found + 1) / 2 * (self.box.high - self.box.low)
        return found

    def unread(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns actions of the task, shape (steps, dimension), as the server scales them."""
        if self.actions.scale == "as_is":
            return vectors
        return (vectors - self.box.low) / (self.box.high - self.box.low) * 2 - 1


class ObservationMap:
    """See the module.

    Args:
        place: The name of a preset, or the path of a file.

    Raises:
        ExperimentError: There is no such preset or file, or it says what it cannot; the message
            names the place and the key.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._file = _read(place)

    @property
    def settings(self) -> dict[str, Any]:
        """All that it says, as JSON."""
        return self._file.model_dump(mode="json")

    def fit(self, task: Task[Any]) -> Mapped:
        """Returns the mapping for a task.

        Raises:
            ExperimentError: The task does not have what it asks for.
        """
        box = task.action_box
        if box is None:
            raise ExperimentError(f"{task.name} has words for actions, and policies answer vectors")
        bounded = np.isfinite(box.low).all() and np.isfinite(box.high).all()
        if self._file.actions.scale == "unit" and not bounded:
            raise ExperimentError(
                f"{self.place}: actions.scale: unit needs actions with bounds, and those of "
                f"{task.name} have none"
            )
        sources = self._sources("observation", self._file.observation, task, _numbers(task))
        return Mapped(task, box, sources, self._file.actions)

    def _sources(
        self, where: str, wanted: Mapping[str, Any], task: Task[Any], numbers: int
    ) -> dict[str, Source]:
        return {
            key: self._source(f"{where}: {key}", one, task, numbers) for key, one in wanted.items()
        }

    def _source(self, where: str, wanted: Any, task: Task[Any], numbers: int) -> Source:
        if isinstance(wanted, Mapping):
            if set(wanted) == {"value"}:
                return _constant(wanted["value"])
            inner = self._sources(where, wanted, task, numbers)
            return lambda env: {key: source(env) for key, source in inner.items()}
        if wanted == "instruction":
            return _constant(task.instruction)
        name, _, rest = str(wanted).partition(":")
        if name == "frame":
            return self._frame(f"{self.place}: {where}", rest, task)
        if name == "proprio":
            return _proprio(f"{self.place}: {where}", rest, task, numbers)
        raise ExperimentError(f"{self.place}: {where}: expected {_SOURCES}, got {wanted!r:.60}")

    def _frame(self, where: str, view: str, task: Task[Any]) -> Source:
        if not task.views:
            raise ExperimentError(f"{where}: {task.name} cannot be seen: it has no views")
        view = view or task.views[0]
        if view not in task.views:
            raise ExperimentError(
                f"{where}: {task.name} has no view {view!r}{suggestion(view, task.views)}"
            )
        pictures = PictureFormat(**self._file.image.model_dump())
        return lambda env: pictures.apply(task.frame(env, view))


def _numbers(task: Task[Any]) -> int:
    """Returns how many numbers a task's body knows of itself."""
    with closing(task.make_env()) as env:
        task.reset(env, task.openings("demonstration")[0])
        found = task.proprio(env)
    return 0 if found is None else len(found)


def _constant(value: Any) -> Source:
    known = np.asarray(value, np.float32) if isinstance(value, list) else value
    return lambda env: known


def _proprio(where: str, part: str, task: Task[Any], numbers: int) -> Source:
    pieces = part.split(":") if part else ["0", str(numbers)]
    if len(pieces) != 2 or not all(piece.isdecimal() for piece in pieces):
        raise ExperimentError(f"{where}: expected proprio or proprio:FIRST:END, got {part!r:.40}")
    first, end = map(int, pieces)
    if not first < end <= numbers:
        raise ExperimentError(
            f"{where}: {task.name} has {numbers} numbers of its body, and so no {first}:{end}"
        )

    def read(env: Any) -> Any:
        found = task.proprio(env)
        assert found is not None
        return found[first:end].astype(np.float32)

    return read


def presets() -> tuple[str, ...]:
    """Returns the names of the maps that ship, sorted."""
    folder = files("icil.harness.policies").joinpath("presets")
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir()))


def _read(place: str) -> _File:
    shipped = files("icil.harness.policies").joinpath("presets", f"{place}.yaml")
    try:
        if place in presets():
            text = shipped.read_text("utf-8")
        elif Path(place).suffix not in (".yaml", ".yml"):
            raise ExperimentError(
                f"map: expected a .yaml file or one of the presets{suggestion(place, presets())}, "
                f"got {place!r}"
            )
        else:
            text = Path(place).read_text("utf-8")
        return _File.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "its content"
        raise ExperimentError(f"{place}: {key}: {first['msg']}") from error
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise ExperimentError(f"map {place}: {' '.join(str(error).split())}") from error
