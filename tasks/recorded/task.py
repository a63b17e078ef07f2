"""A data set of a robot as a task whose world is the recording.

There is no simulator of a robot's own log, so nothing but what was done there can be played: the
task is for teacher-forced runs, in which an agent sees each recorded observation, answers, and is
scored against the recorded action. All episodes are demonstrations; none is for evaluation.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, ParsedAction
from icil.tasks.errors import OpeningsError, PoolError, UnknownNameError, UsageError
from icil.tasks.exchange.lerobot_data import STATE, Episode, LeRobotData
from icil.tasks.expert import Expert
from icil.tasks.gym.box import BoxActions
from icil.tasks.observation import Observation
from icil.tasks.openings import Opening, Split
from icil.tasks.recorded.env import RecordedEnv
from icil.tasks.task import Task

_NUMBERS = "proprio"
_MOST_DECIMALS = 17


class Recorded(Task[RecordedEnv]):
    """A LeRobotDataset.

    Args:
        dir: Its folder.
        instruction: Which episodes: those in which this was to be done. None where all did one
            thing.
        decimals: Of the numbers in `proprio`; None for all that a float32 has.
        data: What stands for the content that is expected (`settings` has it); None for any.

    Raises:
        PoolError: The folder holds no such data set, or another one than expected.
        UsageError: A setting cannot be, or what reads the data set is not installed.
    """

    version: int = 1
    slow: bool = True
    has_expert: bool = False

    def __init__(
        self,
        dir: str,
        *,
        instruction: str | None = None,
        decimals: int | None = None,
        data: str | None = None,
    ) -> None:
        self.name, self.summary = f"recorded:{dir}", f"what a robot recorded: {dir}"
        if decimals is not None and (
            type(decimals) is not int or not 0 <= decimals <= _MOST_DECIMALS
        ):
            raise UsageError(
                f"decimals of {self.name} is a whole number from 0 to {_MOST_DECIMALS} or null, "
                f"not {decimals!r}"
            )
        if not Path(dir).is_dir():
            raise PoolError(_why_not_found(dir))
        self._decimals, self._data = decimals, LeRobotData(Path(dir))
        self._chosen = self._choose(instruction)
        if data is not None and data != self.data_hash:
            raise PoolError(f"{dir} does not hold any more what it held: it was changed since")
        self._cameras = _short_names(self._data.cameras)
        self._width = self._data.width(STATE) if self._data.has(STATE) else 0
        self.image_formats = self.cameras = tuple(self._cameras)
        self.formats = (_NUMBERS,) * bool(self._width) + self.cameras
        if not self.formats:
            raise PoolError(f"{dir} holds neither {STATE} nor pictures: nothing can be shown of it")
        self.horizon = max(one.length for one in self.episodes)

    @property
    def data(self) -> LeRobotData:
        """The data set."""
        return self._data

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """Those that are played."""
        return self._chosen

    @property
    def settings(self) -> Mapping[str, Any]:
        """What stands for the data set's content, and what was set beside the defaults."""
        given = {"instruction": self._instruction, "decimals": self._decimals}
        told = {name: value for name, value in given.items() if value is not None}
        return {**told, "data": self.data_hash}

    @property
    def data_hash(self) -> str:
        """What stands for the data set's content."""
        return self._data.fingerprint

    @cached_property
    def action_box(self) -> ActionBox:
        """The least and the most of each number that was recorded in any episode.

        A number that never changes has bounds half away from it on either side.
        """
        low, high = (side.astype(np.float64) for side in self._data.action_bounds())
        still = low == high
        return ActionBox(np.where(still, low - 0.5, low), np.where(still, high + 0.5, high))

    @cached_property
    def _space(self) -> Box:
        box = self.action_box
        return Box(box.low.astype(np.float32), box.high.astype(np.float32), dtype=np.float32)

    def make_env(self) -> RecordedEnv:
        """Returns a new player of the recording."""
        return RecordedEnv(self._data, self._space)

    def openings(self, split: Split) -> "RecordedOpenings":
        """Returns the episodes.

        Raises:
            OpeningsError: The split is the one for evaluation, which there is none of.
        """
        if split != "demonstration":
            raise OpeningsError(
                f"{self.name} is a recording, in which nothing else can be done than was done: "
                "play it with --teacher-forced"
            )
        return RecordedOpenings(self)

    def state_key(self, env: RecordedEnv) -> str:
        """Returns which frame it is, and its numbers.

        Frames of a camera are as good as never alike, and take long to read.
        """
        numbers = " ".join(map(str, env.numbers.tolist()))
        return f"{env.episode.index} {env.step_number} {numbers}"

    def observe(self, env: RecordedEnv, format: str) -> Observation:
        """Shows the recorded numbers, or what a camera saw."""
        self.check_format(format)
        if format == _NUMBERS:
            return self.word_state(env.numbers.astype(np.float64))
        return Observation(image=self.frame(env, format))

    def frame(self, env: RecordedEnv, camera: str) -> NDArray[np.uint8]:
        """Returns what a camera saw; see `Task`."""
        if camera not in self._cameras:
            raise UnknownNameError(f"camera for {self.name}:", camera, self.cameras)
        return env.picture(self._cameras[camera])

    def proprio(self, env: RecordedEnv) -> NDArray[np.float64] | None:
        """Returns the recorded numbers; None if there are none."""
        return env.numbers.astype(np.float64) if self._width else None

    def word_state(self, numbers: NDArray[np.float64]) -> Observation:
        """Returns numbers as a list; see `Task`.

        Raises:
            UsageError: No numbers were recorded, or more or fewer.
        """
        if not self._width:
            return super().word_state(numbers)
        if numbers.shape != (self._width,):
            raise UsageError(f"{self.name} shows {self._width} numbers, not {numbers.shape}")
        if self._decimals is None:
            return Observation(text=ShortActions.word(numbers), state=numbers)
        words = (f"{x:z.{self._decimals}f}" for x in numbers.tolist())
        return Observation(text=f"[{', '.join(words)}]", state=numbers)

    def legal_actions(self, env: RecordedEnv) -> "ShortActions":
        """Returns all lists of numbers within the bounds of what was recorded."""
        return ShortActions(self._space)

    def parse(self, text: str, env: RecordedEnv) -> ParsedAction:
        """Reads a JSON list of numbers within the bounds."""
        return ShortActions(self._space).parse(text)

    def word(self, vector: NDArray[np.float64]) -> str:
        """Returns the action that a vector is."""
        return ShortActions.word(np.clip(vector, self._space.low, self._space.high))

    def expert(self) -> Expert[RecordedEnv]:
        """Raises an error: whoever was recorded cannot be asked.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"{self.name} has no expert: whoever was recorded cannot be asked; make a pool of it "
            "with `icil demos import --from lerobot`"
        )

    def _choose(self, instruction: str | None) -> tuple[Episode, ...]:
        """Returns the episodes that are played, and notes what was to be done in them."""
        episodes = self._data.episodes
        said = tuple(dict.fromkeys(text for one in episodes for text in one.tasks))
        if instruction is None and len(said) > 1:
            raise UsageError(
                f"{self.name} holds {len(said)} instructions; its setting `instruction` chooses "
                f"one: {'; '.join(said)[:300]}"
            )
        if instruction is not None and instruction not in said:
            raise UnknownNameError(f"instruction for {self.name}:", instruction, said)
        self._instruction = instruction
        self.instruction = instruction or (said[0] if said else "")
        return tuple(one for one in episodes if instruction is None or instruction in one.tasks)


class RecordedOpenings:
    """The episodes of a recording, as openings.

    Args:
        task: The task.
    """

    split: Split = "demonstration"

    def __init__(self, task: Recorded) -> None:
        self._task = task
        self.distinct: int | None = len(task.episodes)

    def __getitem__(self, index: int) -> Opening:
        """Returns an opening.

        Raises:
            OpeningsError: There are fewer episodes.
        """
        episodes = self._task.episodes
        if not 0 <= index < len(episodes):
            raise OpeningsError(
                f"{self._task.name} has {len(episodes)} episodes; number {index} is not among them"
            )
        state = {"episode": episodes[index].index}
        return Opening(split=self.split, index=index, state=state)


class ShortActions(BoxActions):
    """Actions as lists of float32, each with the fewest digits that give it back."""

    @staticmethod
    def word(value: Any) -> str:
        """Returns the wording of an action."""
        numbers = np.asarray(value, np.float32).reshape(-1)
        return f"[{', '.join(repr(float(str(number))) for number in numbers)}]"


def _why_not_found(dir: str) -> str:
    why = f"the data set of recorded:{dir} is not found: there is no folder {dir}"
    if Path(dir).is_absolute():
        return f"{why}; put it there again"
    return (
        f"{why} here; run this in the folder that it lies in, where the run or the import was made"
    )


def _short_names(keys: tuple[str, ...]) -> Mapping[str, str]:
    """Returns by short names (`top` for `observation.images.top`) the keys of cameras."""
    short = [key.rpartition(".")[2] for key in keys]
    clear = len(set(short)) == len(short) and _NUMBERS not in short
    return dict(zip(short if clear else keys, keys, strict=True))
