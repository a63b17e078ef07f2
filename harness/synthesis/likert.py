"""`likert:AGENT[:prompts=K][:demos=N]`: a model rates each episode from 1 to 5.

After Baek et al. (arXiv 2412.16926), who have a model rate each example many times, beside other
real examples each time, and keep those at or above the median. They weigh ratings by their
probabilities; what the providers' clients here return holds none, so that a rating is the mean of
the numbers said in K prompts.

A rating is an episode of one step, of a task made for it: it is asked for, paid and stored as any
other. Its opening's number is made from the episode's content, so that an episode that was rated
is not rated again, whatever other filters there are.
"""

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from icil.harness.cells import TaskPlan, swept_cells
from icil.harness.experiment import Experiment
from icil.harness.plan import Plan, make_agents
from icil.harness.synthesis.rating import FORMAT, NAME, Rating, Shown
from icil.harness.synthesis.runs import Runs
from icil.harness.ways import Ways
from icil.prompt_builders import Template, load_template
from icil.prompt_builders.synthesis import Ground, Proposal
from icil.prompt_builders.synthesis.filters import AtLeast
from icil.prompt_builders.template import DEFAULT
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks import Opening, Pool, PoolError, UsageError
from icil.tasks.demonstrations import demonstrate
from icil.tasks.seeding import digest

PROMPTS, SHOWN = 5, 3
"""How often each episode is rated, and how many real ones it is shown with, unless told."""
_TEMPLATE = DEFAULT.with_name("likert.yaml")
_RATED = """
SELECT e.opening, s.action FROM episodes e
JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt
WHERE e.status = 'done' AND s.status = 'ok'
"""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What follows `likert:` in a filter."""

    agent: str
    prompts: int = PROMPTS
    """How many ratings there are of each episode, beside other real ones each."""
    shown: int = SHOWN
    """How many real ones there are in a prompt."""


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
        self._judge, self._folder, self._runs = judge, folder, runs
        self.agent = judge.agent
        """Who rates."""
        own = {k: v for k, v in experiment.set.items() if k.rpartition(".")[0] == judge.agent}
        self._experiment = experiment.model_copy(
            update={
                "task": (NAME,),
                "format": (FORMAT,),
                "agent": (judge.agent,),
                "selector": ("random",),
                "control": (),
                "window": None,
                "demos": (judge.shown,),
                "demo_sets": judge.prompts,
                "episodes": judge.prompts,
                "legal_actions": False,
                "reasoning": False,
                "past_actions": True,
                "layout": "single",
                "parse": "strict",
                "set": own,
                "template": None,
                "pool": (),
            }
        )

    def check(self) -> None:
        """Makes the model that rates, to see whether there is one.

        Raises:
            UsageError: There is none, or it is nothing that reads prompts.
        """
        agents = make_agents(self._experiment, self._runs.manner.agents)
        if agents[self._judge.agent].capabilities.demonstrations != "prompt":
            raise UsageError(
                f"filter {self.text!r}: {self._judge.agent} reads no prompts, and so rates nothing"
            )

    def values(self, proposals: Sequence[Proposal], ground: Ground) -> Sequence[float | None]:
        """Returns the mean ratings; None for an episode that was never rated with a number.

        Raises:
            IncompleteError: There are ratings missing.
            UsageError: The model cannot be asked, or the task has no format that is text.
        """
        template = load_template(_TEMPLATE)
        shown = Shown(ground.task, template)
        texts = [shown.text(one.demonstration) for one in proposals]
        self._runs.play(self._plan(texts, shown, ground.pool, template), self._folder)
        ratings: dict[int, list[int]] = {}
        with closing(RunStore(self._folder / FILE_NAME, readonly=True)) as store:
            for index, said in store.rows(_RATED)[1]:
                ratings.setdefault(index // self._judge.prompts, []).append(int(said))
        found = [ratings.get(_number(text)) for text in texts]
        return [None if given is None else mean(given) for given in found]

    def bar(self, values: Sequence[float], ground: Ground) -> float:
        """Returns the median rating."""
        return median(values)

    def _plan(
        self, texts: Sequence[str], shown: "Shown", pool: Pool, template: Template
    ) -> "_Plan":
        judge, few = self._judge, self._experiment
        if judge.shown > len(pool.demonstrations):
            raise PoolError(
                f"filter {self.text!r}: {judge.shown} demonstrations were asked for; the pool of "
                f"{pool.card.task} has {len(pool.demonstrations)}"
            )
        task = Rating(shown.settings)
        # One text after the other, each in all prompts: every so manyth is of the same prompt.
        openings = tuple(
            Opening(
                split="demonstration",
                index=_number(text) * judge.prompts + prompt,
                state={"text": text},
            )
            for text in dict.fromkeys(texts)
            for prompt in range(judge.prompts)
        )
        played = {one.index: demonstrate(task, one, str(one.index), "random") for one in openings}
        planned = TaskPlan(
            task,
            task.formats,
            shown.pool(pool),
            {"random": played, "expert": played},  # an estimate looks at how long they are
            openings,
            (frozenset(),) * len(openings),
        )
        agent = make_agents(few, self._runs.manner.agents)[judge.agent]
        way = Ways(few).bind("random", task, FORMAT, planned.pool)
        cells = tuple(swept_cells(few, template, planned, FORMAT, judge.agent, agent, [way]))
        whole = few.model_copy(update={"episodes": len(openings)})
        return _Plan(whole, template, {NAME: planned}, cells, ())


class _Plan(Plan):
    """A run that is the same one, however many episodes are to be rated."""

    @property
    def fields(self) -> dict[str, Any]:
        return {**super().fields, "episodes": self.experiment.demo_sets}


def _number(text: str) -> int:
    """Returns a number that stands for an episode's content; SQLite has 63 bits."""
    return int.from_bytes(digest(text, size=6), "big")
