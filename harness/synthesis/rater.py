"""A model that rates episodes from 1 to 5, each beside real ones, in a run of its own.

A rating is an episode of one step, of a task made for it: it is asked for, paid and stored as any
other. Its opening's number is made from the episode's content, so that an episode that was rated
is not rated again, whatever else is rated with it. All are rated in the same K prompts, so that
their prefixes are cached; only where one of the real ones shown is the rated one itself, another
stands in its place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

from icil.harness.agents import Agent
from icil.harness.agents.model import ModelAgent
from icil.harness.planning.cells import Cell, TaskPlan, swept_cells
from icil.harness.planning.experiment import Experiment
from icil.harness.planning.leaks import Leak
from icil.harness.planning.plan import Plan, make_agents
from icil.harness.planning.selecting import choose
from icil.harness.planning.starts import Start
from icil.harness.planning.ways import Ways
from icil.harness.synthesis.rating import FORMAT, NAME, Rating, Shown
from icil.harness.synthesis.runs import Runs
from icil.harness.synthesis.weighing import TOP, expected, note, read_note
from icil.prompt_builders import load_template
from icil.prompt_builders.synthesis.filters import content_of
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks import Demonstration, Opening, Pool, PoolError, Task, UsageError
from icil.tasks.demonstrations import demonstrate
from icil.tasks.seeding import digest

PROMPTS, SHOWN = 5, 3
"""How often each episode is rated, and how many real ones it is shown with, unless told."""
_SAID = """
SELECT e.opening, s.status, s.action, s.detail, s.reply FROM episodes e
JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt
WHERE e.status = 'done'
"""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Who rates, and how often."""

    agent: str
    prompts: int = PROMPTS
    """How many ratings there are of each episode, beside other real ones each."""
    shown: int = SHOWN
    """How many real ones there are in a prompt."""


@dataclass(frozen=True, kw_only=True)
class Rated:
    """What was said of one episode."""

    weighted: tuple[float, ...] = ()
    """Ratings that are means over the scores, weighted by their probabilities; 1 to 5."""
    said: tuple[float, ...] = ()
    """Ratings that are the number said, where no probabilities were told."""
    other: tuple[str, ...] = ()
    """Replies that are no rating."""

    @property
    def ratings(self) -> tuple[float, ...]:
        """All ratings."""
        return self.weighted + self.said

    @property
    def mean(self) -> float | None:
        """The mean rating; None if it was never rated with a number."""
        return mean(self.ratings) if self.ratings else None


def count_ratings(rated: Iterable[Rated]) -> str:
    """Returns how many ratings are of which kind, in words."""
    each = list(rated)
    counts = {
        "by probabilities": sum(len(one.weighted) for one in each),
        "as said": sum(len(one.said) for one in each),
        "no rating": sum(len(one.other) for one in each),
    }
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


class Rater:
    """Has a model rate episodes.

    Args:
        judge: Who rates, and how often.
        experiment: Its seed, the settings of models and prices count.
        template: The wording, a file.
        folder: The run's folder.
        runs: Plays it.
    """

    def __init__(
        self, judge: Judge, experiment: Experiment, template: Path, folder: Path, runs: Runs
    ) -> None:
        self.judge, self._folder, self._runs = judge, folder, runs
        self._template = load_template(template)
        own = {k: v for k, v in experiment.set.items() if k.rpartition(".")[0] == judge.agent}
        self._experiment = experiment.model_copy(
            update={
                "task": (NAME,),
                "format": (FORMAT,),
                "agent": (judge.agent,),
                "selector": ("random",),
                "control": (),
                "window": None,
                "leaks": "exclude",
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
        if self._agent().capabilities.demonstrations != "prompt":
            raise UsageError(f"{self.judge.agent} reads no prompts, and so rates nothing")

    @property
    def settings(self) -> dict[str, Any]:
        """What the model was set to, as JSON."""
        return dict(self._agent().settings)

    def rate(
        self, task: Task[Any], pool: Pool, episodes: Sequence[Demonstration]
    ) -> Sequence[Rated]:
        """Returns what is said of episodes, in their order.

        Args:
            task: The task that they are of.
            pool: The real ones that they are shown with.
            episodes: What is rated.

        Raises:
            IncompleteError: There are ratings missing.
            UsageError: The model cannot be asked, or the task has no format that is text.
            PoolError: The pool has too few demonstrations.
        """
        shown = Shown(task, self._template)
        texts = [shown.text(one) for one in episodes]
        real: dict[tuple[str, ...], set[str]] = {}
        for one in pool.demonstrations:
            real.setdefault(content_of(one), set()).add(one.id)
        same = [frozenset(real.get(content_of(one), ())) for one in episodes]
        self._runs.play(self._plan(dict(zip(texts, same, strict=True)), shown, pool), self._folder)
        found: dict[int, Rated] = {}
        with closing(RunStore(self._folder / FILE_NAME, readonly=True)) as store:
            for index, *step in store.rows(_SAID)[1]:
                number = index // self.judge.prompts
                found[number] = _add(found.get(number, Rated()), *step)
        return [found.get(_number(text), Rated()) for text in texts]

    def _agent(self) -> Agent:
        agents = make_agents(self._experiment, self._runs.manner.agents)
        agent = agents[self.judge.agent]
        if isinstance(agent, ModelAgent):
            agent.weigh(TOP, note)
        return agent

    def _plan(self, same: Mapping[str, frozenset[str]], shown: Shown, pool: Pool) -> "_Plan":
        judge, few = self.judge, self._experiment
        left = len(pool.demonstrations) - max(map(len, same.values()))
        if judge.shown > left:
            but = "" if left == len(pool.demonstrations) else f", {left} beside the rated one"
            raise PoolError(
                f"{judge.shown} demonstrations were asked for; the pool of {pool.card.task} has "
                f"{len(pool.demonstrations)}{but}"
            )
        rating = Rating(shown.settings)
        # One text after the other, each in all prompts: every so manyth is of the same prompt.
        openings = tuple(
            Opening(
                split="demonstration",
                index=_number(text) * judge.prompts + prompt,
                state={"text": text},
            )
            for text in same
            for prompt in range(judge.prompts)
        )
        played = {one.index: demonstrate(rating, one, str(one.index), "random") for one in openings}
        planned = TaskPlan(
            rating,
            rating.formats,
            shown.pool(pool),
            {"random": played, "expert": played},  # an estimate looks at how long they are
        ).with_openings(openings, (frozenset(),) * len(openings), (Leak(),) * len(openings))
        agent = self._agent()
        way = Ways(few).bind("random", rating, FORMAT, planned.pool)
        cells = swept_cells(few, self._template, planned, FORMAT, judge.agent, agent, [way])
        whole = few.model_copy(update={"episodes": len(openings)})
        return _Plan(whole, self._template, {NAME: planned}, tuple(cells), (), same=same)


@dataclass(frozen=True, eq=False)
class _Plan(Plan):
    """A run that is the same one, however many episodes are to be rated."""

    same: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By what is rated the ids of those real ones that are the same episode."""

    @property
    def fields(self) -> dict[str, Any]:
        return {**super().fields, "episodes": self.experiment.demo_sets}

    def starts(self, cell: Cell) -> Iterator[Start]:
        shown: dict[int | None, frozenset[str]] = {}
        for start in super().starts(cell):
            if start.set not in shown:
                chosen = choose(cell, start, self.experiment.seed)
                shown[start.set] = frozenset(chosen.selection.ids)
            same = self.same[start.opening.state["text"]]
            yield start if same.isdisjoint(shown[start.set]) else start._replace(hidden=same)


def _add(rated: Rated, status: str, action: str, detail: str | None, reply: str) -> Rated:
    if status != "ok":
        return replace(rated, other=(*rated.other, reply))
    if (chances := read_note(detail)) is not None:
        return replace(rated, weighted=(*rated.weighted, expected(chances)))
    return replace(rated, said=(*rated.said, float(action)))


def _number(text: str) -> int:
    """Returns a number that stands for an episode's content; SQLite has 63 bits."""
    return int.from_bytes(digest(text, size=6), "big")
