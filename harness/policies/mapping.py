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
of the task. The files of `presets/` go by their names. One that means the numbers of a certain
`robot` fits no task that has more of them, or fewer: the meanings would be invented.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.harness.policies.map_file import SOURCES, Actions, Robot, read_map
from icil.harness.policies.pictures import PictureFormat
from icil.tasks import ActionBox, Task
from icil.tasks.errors import ExperimentError, suggestion

Source = Callable[[Any], Any]
"""Makes what is sent under a key of an environment."""


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
    actions: Actions

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
        self._file = read_map(place)

    @property
    def settings(self) -> dict[str, Any]:
        """All that it says of what is sent and read, as JSON."""
        return self._file.model_dump(mode="json", exclude={"robot"})

    def fit(self, task: Task[Any]) -> Mapped:
        """Returns the mapping for a task.

        Raises:
            ExperimentError: The task does not have what it asks for.
        """
        box = task.action_box
        if box is None:
            raise ExperimentError(f"{task.name} has words for actions, and policies answer vectors")
        numbers, columns = _numbers(task), self._file.actions.columns
        if self._file.robot is not None:
            _check_robot(self.place, self._file.robot, task, numbers)
        if columns is not None and columns[1] - columns[0] != box.dimension:
            raise ExperimentError(
                f"{self.place}: actions.columns: {list(columns)} takes {columns[1] - columns[0]} "
                f"numbers of an answer, and an action of {task.name} has {box.dimension}"
            )
        bounded = np.isfinite(box.low).all() and np.isfinite(box.high).all()
        if self._file.actions.scale == "unit" and not bounded:
            raise ExperimentError(
                f"{self.place}: actions.scale: unit needs actions with bounds, and those of "
                f"{task.name} have none"
            )
        sources = self._sources("observation", self._file.observation, task, numbers)
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
                return _constant(_value(f"{self.place}: {where}", wanted["value"]))
            inner = self._sources(where, wanted, task, numbers)
            return lambda env: {key: source(env) for key, source in inner.items()}
        if wanted == "instruction":
            return _constant(task.instruction)
        name, _, rest = str(wanted).partition(":")
        if name == "frame":
            return self._frame(f"{self.place}: {where}", rest, task)
        if name == "proprio":
            return _proprio(f"{self.place}: {where}", rest, task, numbers)
        raise ExperimentError(f"{self.place}: {where}: expected {SOURCES}, got {wanted!r:.60}")

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
    return lambda env: value


def _value(where: str, said: Any) -> Any:
    """Returns a constant as it is sent: a text, true or false, null, a number, or an array."""
    if said is None or isinstance(said, str | bool):
        return said
    try:
        with np.errstate(over="ignore"):
            found = np.asarray(said, np.float32)
    except (TypeError, ValueError, OverflowError):
        found = np.array(np.nan, np.float32)
    if not isinstance(said, int | float | list) or not np.isfinite(found).all():
        raise ExperimentError(
            f"{where}: value: expected a text, true or false, or numbers that are finite, "
            f"got {said!r:.60}"
        )
    return found if isinstance(said, list) else said


def _check_robot(place: str, robot: Robot, task: Task[Any], numbers: int) -> None:
    """Checks that a task has as many numbers as a map means.

    Raises:
        ExperimentError: It has others.
    """
    body, action = sum(robot.body.values()), sum(robot.action.values())
    assert task.action_box is not None
    if (numbers, task.action_box.dimension) == (body, action):
        return
    told = ", ".join(f"{what} {count}" for what, count in robot.body.items())
    raise ExperimentError(
        f"{place} is for {robot.name}: {body} numbers of its body ({told}) and {action} of an "
        f"action; {task.name} has {numbers} and {task.action_box.dimension}, and what they mean "
        "must be said in a map of your own (a .yaml file; docs/policies.md)"
    )


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
