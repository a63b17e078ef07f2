"""To rate an episode, as a task of one step: it is what is seen, and the rating what is done."""

import re
from collections.abc import Mapping
from typing import Any

import gymnasium

from icil.prompt_builders import Template
from icil.tasks import (
    Demonstration,
    Observation,
    OpeningsError,
    ParsedAction,
    Pool,
    Task,
    UsageError,
    render,
)
from icil.tasks.demonstrations import Altered, shown_actions
from icil.tasks.openings import OpeningSource, Split

NAME, FORMAT = "likert", "text"
"""Of the task, and of the one way that it is shown."""
RATINGS = ("1", "2", "3", "4", "5")


class Rating(Task["RatingEnv"]):
    """To say how good an episode is: one step, which pays the rating.

    Args:
        settings: Whose episodes are rated, and how they are shown.
    """

    name: str = NAME
    version: int = 1
    summary: str = "say how good an episode is"
    formats: tuple[str, ...] = (FORMAT,)
    horizon: int = 1
    has_expert: bool = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings

    @property
    def settings(self) -> Mapping[str, Any]:
        """Whose episodes are rated, and how they are shown."""
        return self._settings

    def make_env(self) -> "RatingEnv":
        """Returns a new environment."""
        return RatingEnv()

    def openings(self, split: Split) -> OpeningSource:
        """Raises an error: what is rated is not known to the task.

        Raises:
            OpeningsError: Always.
        """
        raise OpeningsError(f"{self.name} has no openings of its own")

    def state_key(self, env: "RatingEnv") -> str:
        """Returns what is rated."""
        return env.text

    def observe(self, env: "RatingEnv", format: str) -> Observation:
        """Shows what is rated."""
        self.check_format(format)
        return Observation(text=env.text)

    def legal_actions(self, env: "RatingEnv") -> tuple[str, ...]:
        """Returns the ratings."""
        return RATINGS

    def parse(self, text: str, env: "RatingEnv") -> ParsedAction:
        """Reads the one number that a reply names, whatever else it says."""
        return read_rating(text)

    def expert(self) -> Any:
        """Raises an error: there is none.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"{self.name} has no expert")


def read_rating(text: str) -> ParsedAction:
    """Reads the one number that a reply names, whatever else it says.

    A digit in a word (`c2`, `GPT-4`) is no number.
    """
    said = set(re.findall(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-])", text))
    if not text.strip():
        return ParsedAction(status="empty", reason="the reply is empty")
    if len(said) != 1:
        return ParsedAction(status="invalid", reason="the reply does not name one number")
    (rating,) = said
    if rating not in RATINGS:
        return ParsedAction(status="illegal", reason=f"{rating[:20]} is not from 1 to 5")
    return ParsedAction(status="ok", action=rating, value=int(rating))


class RatingEnv(gymnasium.Env[str, int]):
    """Holds what is rated."""

    text: str
    """Set by `reset`."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Takes `options={"opening": {"text": …}}`."""
        super().reset(seed=seed)
        self.text = (options or {})["opening"]["text"]
        return self.text, {}

    def step(self, action: int) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Pays the rating and ends."""
        return self.text, float(action), True, False, {}


class Shown:
    """Episodes of a task as text.

    Args:
        task: The task.
        template: The wording around what is seen and done.

    Raises:
        UsageError: The task has no format that is text.
    """

    def __init__(self, task: Task[Any], template: Template) -> None:
        texts = [format for format in task.formats if format not in task.image_formats]
        if not texts:
            raise UsageError(
                f"episodes are rated as text, and {task.name} is shown as images alone"
            )
        self._task, self._format, self._template = task, texts[0], template

    @property
    def settings(self) -> dict[str, Any]:
        """What decides how they are shown, as JSON."""
        task = self._task
        return {
            "task": [task.name, task.version, dict(task.settings)],
            "format": self._format,
        }

    def text(self, demonstration: Demonstration) -> str:
        """Returns an episode from its first observation on, as a prompt frames one."""
        pieces: list[str] = []
        for seen, action in render(self._task, demonstration, self._format):
            pieces.append(self._template.fill("observation", observation=seen.text or ""))
            pieces.append(self._template.fill("action", action=action))
        before, after = self._template.around("observation", "observation")
        return "".join(pieces).removeprefix(before).removesuffix(after)

    def pool(self, real: Pool) -> Pool:
        """Returns real demonstrations as they are shown in prompts of another task."""
        shown = tuple(
            Altered(
                id=one.id,
                opening=one.opening,
                steps=one.steps,
                terminated=one.terminated,
                true=one,
                actions=shown_actions(self._task, one),
                task=self._task,
                format=self._format,
            )
            for one in real.demonstrations
        )
        return Pool(card=real.card, demonstrations=shown)
