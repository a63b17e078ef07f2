"""`likert:AGENT[:prompts=K][:demos=N]`: a model rates each episode from 1 to 5.

After Baek et al. (arXiv 2412.16926), who have a model rate each example many times, beside other
real examples each time, weigh its ratings by their probabilities, and keep those at or above the
median. Where the model's provider tells no probabilities, a rating is the number said.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from icil.harness.planning.experiment import Experiment
from icil.harness.synthesis.rater import PROMPTS, SHOWN, Judge, Rated, Rater, count_ratings
from icil.harness.synthesis.rating import NAME
from icil.harness.synthesis.runs import Runs
from icil.prompt_builders.synthesis import Ground, Proposal
from icil.prompt_builders.synthesis.filters import AtLeast
from icil.prompt_builders.template import DEFAULT
from icil.tasks import UsageError

_TEMPLATE = DEFAULT.with_name("likert.yaml")


def read_judge(text: str) -> Judge | None:
    """Reads a filter as one that asks a model; None if it is another one.

    Raises:
        UsageError: It names no model, or not 1 or more prompts and demonstrations.
    """
    if not text.startswith(f"{NAME}:"):
        return None
    agent, numbers = text.removeprefix(f"{NAME}:"), {"prompts": PROMPTS, "demos": SHOWN}
    while found := re.fullmatch(r"(.*):(prompts|demos)=(.*)", agent):
        agent, key, value = found.groups()
        if not value.isdecimal() or int(value) < 1:
            raise UsageError(f"filter {text!r}: {key}: expected 1 or more, got {value!r}")
        numbers[key] = int(value)
    if not agent:
        raise UsageError(f"filter {text!r}: expected likert:AGENT[:prompts=K][:demos=N]")
    return Judge(agent=agent, prompts=numbers["prompts"], shown=numbers["demos"])


class LikertFilter(AtLeast):
    """Keeps episodes whose mean rating is the median of the ratings or more.

    Args:
        text: As it was asked for.
        judge: Who rates, and how often.
        experiment: Its seed, the settings of models and prices count.
        folder: The run's folder.
        runs: Plays it.
    """

    noun = "rating"

    def __init__(
        self, text: str, judge: Judge, experiment: Experiment, folder: Path, runs: Runs
    ) -> None:
        super().__init__(text)
        self.agent = judge.agent
        """Who rates."""
        self._rater = Rater(judge, experiment, _TEMPLATE, folder, runs)
        self._rated: Sequence[Rated] = ()

    def check(self) -> None:
        """Makes the model that rates, to see whether there is one.

        Raises:
            UsageError: There is none, or it is nothing that reads prompts.
        """
        self._rater.check()

    def values(self, proposals: Sequence[Proposal], ground: Ground) -> Sequence[float | None]:
        """Returns the mean ratings; None for an episode that was never rated with a number.

        Raises:
            IncompleteError: There are ratings missing.
            UsageError: The model cannot be asked, or the task has no format that is text.
        """
        episodes = [one.demonstration for one in proposals]
        self._rated = self._rater.rate(ground.task, ground.pool, episodes)
        return [one.mean for one in self._rated]

    def how(self) -> str:
        """Returns how many ratings are weighted by probabilities, and how many are not."""
        return count_ratings(self._rated)

    def bar(self, values: Sequence[float], ground: Ground) -> float:
        """Returns the median rating."""
        return median(values)
