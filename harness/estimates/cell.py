"""The estimate of a cell, and what the cells of a plan share.

A cell is estimated from a few of its episodes' prefixes, which are those of the run, from
what real episodes of its task add to a prompt, and from how long episodes will be.
"""

from collections.abc import Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

from icil.harness.estimates.amounts import Amounts, Range, call_amounts, exactly, running
from icil.harness.estimates.assumptions import Assumptions, assume
from icil.harness.estimates.caching import CacheRule
from icil.harness.estimates.finished import Finished
from icil.harness.estimates.lengths import (
    Counts,
    Lengths,
    known_lengths,
    mean_steps,
    reference_lengths,
)
from icil.harness.estimates.prefixes import PrefixSizes
from icil.harness.estimates.profile import ModelProfile
from icil.harness.estimates.samples import SAMPLES, TaskSamples, spread
from icil.harness.estimates.sizes import Measure, Size, mean, measure_for
from icil.harness.estimates.tails import Tails, measure_episode
from icil.harness.estimates.usage_history import History, Played, played
from icil.harness.planning.cells import Cell
from icil.harness.planning.filling import Filling, find_filling
from icil.harness.planning.fitting import check_fits
from icil.harness.planning.plan import Plan
from icil.harness.planning.selecting import Moment, choose
from icil.harness.planning.starts import Start
from icil.prompt_builders import PromptBuilder
from icil.results import CellRecord
from icil.tasks import Demonstration, ModelError
from icil.tasks.demonstrations import replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlong:
    """A prompt that does not fit its model."""

    step: int
    """The first at which that is so; 0: not even the first request fits."""
    reason: str
    """With the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEstimate:
    """What a cell will take."""

    cell: CellRecord
    episodes: int
    finished: int
    """Of these, those that were played already."""
    range: Range
    """Of all its episodes, finished ones as they were."""
    spent: Amounts
    """What was taken already."""
    priced: bool
    """Whether it is known what a call costs."""
    steps: float
    """Of an episode still to be played, in the mean."""
    steps_source: str
    prefix_tokens: float
    """In the mean."""
    assumptions: Assumptions
    overlong: Overlong | None


class Estimator:
    """Estimates the cells of a plan, and keeps what they share.

    Args:
        plan: The plan.
        history: What is known of the past.
        finished: What was played of the cells already, by their hashes.
    """

    def __init__(self, plan: Plan, history: History, finished: Mapping[str, Finished]) -> None:
        self._plan, self._history, self._finished = plan, history, finished
        self._samples = {name: TaskSamples(task) for name, task in plan.tasks.items()}
        self._builders: dict[Hashable, PromptBuilder] = {}
        self._prefixes: dict[Hashable, PrefixSizes] = {}
        self._fillings: dict[str, Filling] = {}
        self._tails: dict[Hashable, Tails] = {}

    def estimate(self, cell: Cell, profile: ModelProfile) -> CellEstimate:
        """Returns what a cell will take."""
        record = cell.record
        done = self._finished.get(record.hash, Finished())
        starts = list(self._plan.starts(cell))
        left = [start for start in starts if start.number not in done.openings]
        groups = _groups(cell, left or starts)
        chosen = [members[0] for members in spread(groups, SAMPLES)]
        measure = measure_for(cell.agent, profile.count)
        if cell.each_step:  # nothing of a prompt is in the next one: agents have nothing cached
            profile = replace(profile, caching=CacheRule())
        prefixes = self._prefix_sizes(cell, profile, measure, chosen)
        tails = self._tail_sizes(cell, profile, measure, chosen)
        key = played(
            record.task, record.format, record.options, cell.agent.settings, record.demonstrations
        )
        lengths = self._lengths(cell, profile, key, done, left or starts)
        assumed = assume(
            self._history, profile, key, tails.action.text, reasoning=cell.options.reasoning
        )
        overlong = _overlong(cell, prefixes, tails, lengths.longest)
        if done.overlong is not None:
            overlong, left = Overlong(step=0, reason=done.overlong), []
        episodes = _Episodes(profile, assumed, prefixes, tails, lengths, overlong)
        fresh = len(groups) if left else 0
        future = episodes.amounts(warm=False) * fresh + episodes.amounts(warm=True) * (
            len(left) - fresh
        )
        return CellEstimate(
            cell=record,
            episodes=len(starts),
            finished=len(done.openings),
            range=exactly(done.amounts) + future,
            spent=done.spent,
            priced=profile.free or profile.price is not None,
            steps=mean_steps(lengths.expected),
            steps_source=lengths.source,
            prefix_tokens=episodes.tokens(mean(prefixes)),
            assumptions=assumed,
            overlong=overlong,
        )

    def _lengths(
        self,
        cell: Cell,
        profile: ModelProfile,
        key: Played,
        done: Finished,
        starts: Sequence[Start],
    ) -> Lengths:
        if self._plan.experiment.teacher_forced:
            counts: dict[int, float] = {}
            for start in starts:
                assert start.forced is not None
                steps = len(start.forced.steps)
                counts[steps] = counts.get(steps, 0.0) + 1
            source = "the demonstrations that are played again"
            return Lengths(low=counts, expected=counts, high=counts, source=source)
        horizon = cell.task.task.horizon
        if done.steps:
            return known_lengths(done.steps, "this run", horizon, len(starts))
        if past := self._history.steps(profile.name, key):
            return known_lengths(past, "past runs", horizon, len(starts))
        return reference_lengths(cell.task, self._samples[cell.record.task].lengths)

    def _prefix_sizes(
        self, cell: Cell, profile: ModelProfile, measure: Measure, starts: Sequence[Start]
    ) -> list[Size]:
        key = (self._builder_key(cell), profile.name)
        if key not in self._prefixes:
            self._prefixes[key] = PrefixSizes(self._builder(cell), measure)
        seed = self._plan.experiment.seed
        filling = find_filling(cell, self._builder, self._fillings)
        moments: list[Moment | None] = [None] * len(starts)
        if cell.each_step:
            moments = [self._moment(cell, number) for number in range(len(starts))]
        return [
            self._prefixes[key].of(choose(cell, start, seed, filling, moment).selection)
            for start, moment in zip(starts, moments, strict=True)
        ]

    def _moment(self, cell: Cell, number: int) -> Moment | None:
        """Returns a step of an episode on record, as demonstrations are chosen for it.

        Args:
            cell: The cell.
            number: Which of several: they come from all parts of an episode.
        """
        task, episodes = cell.task.task, self._samples[cell.record.task].episodes
        if not episodes:
            return None
        episode = episodes[number % len(episodes)]
        step = number * len(episode.steps) // SAMPLES
        with closing(replay(task, episode)) as steps:
            env, _ = next(islice(steps, step, None))
            return Moment(step, task.observe(env, cell.record.format))

    def _tail_sizes(
        self, cell: Cell, profile: ModelProfile, measure: Measure, starts: Sequence[Start]
    ) -> Tails:
        key = (self._builder_key(cell), profile.name)
        if key not in self._tails:
            shown: Sequence[Demonstration] = [s.forced for s in starts if s.forced is not None]
            shown = shown or self._samples[cell.record.task].episodes
            builder = self._builder(cell)
            self._tails[key] = Tails(measure_episode(builder, d, measure) for d in shown)
        return self._tails[key]

    def _builder(self, cell: Cell) -> PromptBuilder:
        key = self._builder_key(cell)
        if key not in self._builders:
            self._builders[key] = PromptBuilder(
                cell.task.task, cell.record.format, self._plan.template, cell.options
            )
        return self._builders[key]

    @staticmethod
    def _builder_key(cell: Cell) -> Hashable:
        return (cell.record.task, cell.record.format, cell.options)


class _Episodes:
    """The episodes of a cell, whichever their prefix and their number of steps."""

    def __init__(
        self,
        profile: ModelProfile,
        assumed: Assumptions,
        prefixes: Sequence[Size],
        tails: Tails,
        lengths: Lengths,
        overlong: Overlong | None,
    ) -> None:
        self._profile, self._assumed, self._lengths = profile, assumed, lengths
        self._prefixes = prefixes
        self._steps = lengths.longest if overlong is None else min(lengths.longest, overlong.step)
        self._tails, self._questions = tails.tails(self._steps), tails.questions(self._steps)

    def tokens(self, size: Size) -> float:
        """Returns how many tokens the provider will count."""
        return size.text * self._assumed.ratios.text + size.image * self._assumed.ratios.image

    def amounts(self, *, warm: bool) -> Range:
        """Returns what an episode takes in the mean.

        Args:
            warm: Whether its prefix is in the cache when it begins.
        """
        low = expected = high = Amounts()
        for prefix in self._prefixes:
            so_far = self._running(prefix, warm=warm)
            low += _over(so_far, self._lengths.low)
            expected += _over(so_far, self._lengths.expected)
            high += _over(so_far, self._lengths.high)
        return Range(low=low, expected=expected, high=high) * (1 / len(self._prefixes))

    def _running(self, prefix: Size, *, warm: bool) -> list[Amounts]:
        """Returns what the first n steps of an episode take, for each n from 0."""
        inputs = self._profile.caching.inputs(
            round(self.tokens(prefix)),
            [round(self.tokens(tail)) for tail in self._tails],
            [round(self.tokens(question)) for question in self._questions],
            counted=round(prefix.text + prefix.image),
            warm=warm,
        )
        assumed = self._assumed
        return running(
            [
                call_amounts(
                    tokens,
                    assumed.output_tokens,
                    prefix.images + tail.images,
                    self._profile.price,
                    assumed.latency_s,
                )
                for tokens, tail in zip(inputs, self._tails, strict=True)
            ]
        )


def _over(so_far: Sequence[Amounts], lengths: Counts) -> Amounts:
    """Returns the mean over episodes of some lengths; longer ones end where `so_far` does."""
    total = sum(lengths.values())
    longest = len(so_far) - 1
    return sum((so_far[min(n, longest)] * (w / total) for n, w in lengths.items()), Amounts())


def _groups(cell: Cell, starts: Sequence[Start]) -> list[list[Start]]:
    """Returns the episodes by the prefix that they share."""
    groups: dict[int | None, list[Start]] = {}
    for start in starts:
        own = start.number if start.set is None else start.set
        groups.setdefault(own if cell.shows else None, []).append(start)
    return list(groups.values())


def _overlong(cell: Cell, prefixes: Sequence[Size], tails: Tails, steps: int) -> Overlong | None:
    """Returns the first step at which the largest prompt does not fit, if there is one."""
    largest = max(prefixes, key=lambda size: (size.text + size.image, size.bytes))
    both = zip(tails.tails(steps), tails.questions(steps), strict=True)
    for step, (tail, question) in enumerate(both):
        try:
            check_fits(cell.agent, (largest + tail + question).fitting)
        except ModelError as error:
            return Overlong(step=step, reason=str(error))
    return None
