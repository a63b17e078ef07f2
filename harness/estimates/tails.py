"""The sizes of tails: what an episode adds to its prompts, step by step.

Episodes on record are played again, and their prompts made as a run would make them. Images
of a task have one size: of each episode one is drawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from icil.harness.estimates.sizes import NOTHING, Measure, Size, mean
from icil.prompt_builders import Prefix, PromptBuilder, TextPart
from icil.tasks import Demonstration
from icil.tasks.demonstrations import replay


@dataclass(frozen=True, slots=True)
class StepSize:
    """What one step adds to a prompt."""

    new: Size
    """To the tail: the last action, and what is seen."""
    question: Size
    action: Size
    """Of the action that was played, as a text."""


class Tails:
    """The mean growth of the tail over episodes.

    Args:
        episodes: The steps of some episodes; at least one with at least one step.
    """

    def __init__(self, episodes: Iterable[Sequence[StepSize]]) -> None:
        listed = [episode for episode in episodes if episode]
        columns = [[step for step in column if step is not None] for column in zip_longest(*listed)]
        every = [step for episode in listed for step in episode]
        later = [step for episode in listed for step in episode[1:]] or every
        self.action = mean(step.action for step in every)
        """What an action takes, as a text."""
        self._new = [mean(step.new for step in column) for column in columns]
        self._questions = [mean(step.question for step in column) for column in columns]
        self._later_new = mean(step.new for step in later)
        self._later_question = mean(step.question for step in later)

    def tails(self, steps: int) -> list[Size]:
        """Returns how large the tail is at each of so many steps, without the question."""
        found, total = [], NOTHING
        for step in range(steps):
            total += self._new[step] if step < len(self._new) else self._later_new
            found.append(total)
        return found

    def questions(self, steps: int) -> list[Size]:
        """Returns how large the question is at each of so many steps."""
        known = self._questions[:steps]
        return known + [self._later_question] * (steps - len(known))


def measure_episode(
    builder: PromptBuilder, episode: Demonstration, measure: Measure
) -> list[StepSize]:
    """Plays an episode again and returns what each of its steps adds to the prompt.

    Raises:
        PoolError: It does not replay.
    """
    task, format = builder.task, builder.format
    pictures = format in task.image_formats
    tail = builder.tail(Prefix(()))  # holds the actions alone
    steps: list[StepSize] = []
    seen = NOTHING
    for env, action in replay(task, episode):
        if not (pictures and steps):
            seen = measure(builder.observation(task.observe(env, format)))
        legal = task.legal_actions(env) if builder.options.legal_actions else None
        steps.append(
            StepSize(
                new=measure(tail.since(max(0, len(steps) - 1))) + seen,
                question=measure(tail.question(legal).question),
                action=measure([TextPart(action)]),
            )
        )
        tail.act(action)
    return steps
