"""Filters: which proposals become demonstrations.

    return>=X       the simulator's own verdict: the return is X or more; also return>=median,
                    the median return of the real demonstrations
    legal           every reply was a legal action
    agreement>=P    the expert would have done as much in that share of the steps or more
    distinct        no other episode, real or kept before, has its opening and its actions
    distinct>=S     and none is more like it than 1 − S; `nearness.py` says how alike two are

They are applied one after the other, and what each dropped is counted.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any

from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.prompt_builders.synthesis.nearness import Nearness
from icil.prompt_builders.synthesis.proposal import Proposal
from icil.tasks import (
    Demonstration,
    Pool,
    PoolError,
    Task,
    UnknownNameError,
    UsageError,
    replay,
)
from icil.tasks.adviser import Adviser
from icil.tasks.pools import Sifted

NAMES = ("agreement", "distinct", "legal", "likert", "return")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What proposals are held against."""

    task: Task[Any]
    pool: Pool
    """The real demonstrations."""
    tell: Telling = in_silence


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a filter did."""

    kept: tuple[Proposal, ...]
    threshold: float | None = None
    """What it compared with."""
    found: str
    """What it saw of those that it dropped, for the message of one that kept nothing."""
    how: str = ""
    """How it judged, if that was not known beforehand; a few words."""


class NothingKeptError(PoolError):
    """A filter dropped all that came to it."""


class Filter(ABC):
    """Keeps or drops proposals."""

    text: str
    """As it was asked for."""

    @abstractmethod
    def sift(self, proposals: Sequence[Proposal], ground: Ground) -> Outcome:
        """Returns what is kept of one or more proposals, in their order; may take long."""


class AtLeast(Filter):
    """Keeps what has a value of a threshold or more.

    Args:
        text: As it was asked for.
    """

    noun: str
    """What the value is called."""

    def __init__(self, text: str) -> None:
        self.text = text

    def sift(self, proposals: Sequence[Proposal], ground: Ground) -> Outcome:
        """Returns those with a value that is high enough; see `Filter.sift`."""
        values = self.values(proposals, ground)
        known = [value for value in values if value is not None]
        if not known:
            return Outcome(kept=(), found=f"none of them has a {self.noun}")
        bar = self.bar(known, ground)
        pairs = zip(proposals, values, strict=True)
        return Outcome(
            kept=tuple(one for one, value in pairs if value is not None and value >= bar),
            threshold=bar,
            found=f"the highest {self.noun} is {max(known):g}",
            how=self.how(),
        )

    def how(self) -> str:
        """Returns how the values came about, if that was not known beforehand."""
        return ""

    @abstractmethod
    def values(self, proposals: Sequence[Proposal], ground: Ground) -> Sequence[float | None]:
        """Returns the value of each; None where it has none and is dropped."""

    @abstractmethod
    def bar(self, values: Sequence[float], ground: Ground) -> float:
        """Returns the threshold, which may depend on all the values."""


class ReturnFilter(AtLeast):
    """Keeps episodes by their return.

    Args:
        text: As it was asked for.
        least: The threshold; None for the median of the real demonstrations.
    """

    noun = "return"

    def __init__(self, text: str, least: float | None) -> None:
        super().__init__(text)
        self._least = least

    def values(self, proposals: Sequence[Proposal], ground: Ground) -> Sequence[float]:
        """Returns the returns."""
        return [one.demonstration.total for one in proposals]

    def bar(self, values: Sequence[float], ground: Ground) -> float:
        """Returns the threshold asked for, or the median."""
        if self._least is not None:
            return self._least
        return median(real.total for real in ground.pool.demonstrations)


class AgreementFilter(AtLeast):
    """Keeps episodes whose actions are the expert's choices.

    Args:
        text: As it was asked for.
        least: The share of steps, 0 to 1.
    """

    noun = "agreement"

    def __init__(self, text: str, least: float) -> None:
        super().__init__(text)
        self._least = least

    def values(self, proposals: Sequence[Proposal], ground: Ground) -> Sequence[float]:
        """Returns the shares of steps; asks the expert.

        Raises:
            UsageError: The task has no expert.
        """
        found: list[float] = []
        for one in proposals:
            found.append(_agreement(ground.task, one.demonstration))
            ground.tell("asking the expert", len(found), len(proposals))
        return found

    def bar(self, values: Sequence[float], ground: Ground) -> float:
        """Returns the threshold asked for."""
        return self._least


def _agreement(task: Task[Any], demonstration: Demonstration) -> float:
    """Returns the share of steps in which the expert might have done the same."""
    agreed = 0
    with (
        closing(Adviser(task, demonstration.opening)) as adviser,
        closing(replay(task, demonstration)) as steps,
    ):
        for number, (env, action) in enumerate(steps):
            played = task.parse(action, env).action or action
            agreed += played in adviser.choices(env, number, played)
    return agreed / len(demonstration.steps)


class LegalFilter(Filter):
    """Keeps episodes without a wrong reply."""

    text = "legal"

    def sift(self, proposals: Sequence[Proposal], ground: Ground) -> Outcome:
        """Returns those all of whose replies were played; see `Filter.sift`."""
        kept = tuple(one for one in proposals if not one.wrong)
        return Outcome(kept=kept, found="each has an empty, invalid or illegal reply")


class DistinctFilter(Filter):
    """Keeps the first of episodes that are alike.

    Args:
        text: As it was asked for.
        least: How different from all others it must be, 0 to 1; 0 drops exact duplicates alone.
    """

    def __init__(self, text: str, least: float = 0.0) -> None:
        self.text, self._least = text, least

    def sift(self, proposals: Sequence[Proposal], ground: Ground) -> Outcome:
        """Returns those like no real one and none before; see `Filter.sift`."""
        known = set(map(content_of, ground.pool.demonstrations))
        nearness = None
        if self._least:
            ground.tell("comparing episodes", 0, len(proposals))
            others = [one.demonstration for one in proposals]
            nearness = Nearness(ground.task, ground.pool, others)
        kept: list[Proposal] = []
        for number, one in enumerate(proposals):
            key = content_of(one.demonstration)
            if key in known or (nearness and not nearness.take(number, 1 - self._least)):
                continue
            known.add(key)
            kept.append(one)
        return Outcome(
            kept=tuple(kept),
            threshold=self._least or None,
            found="each is like a real one or another of them",
        )


def content_of(demonstration: Demonstration) -> tuple[str, ...]:
    """Returns what makes two episodes the same one: the opening's state and the actions."""
    return (demonstration.steps[0].state, *(step.action for step in demonstration.steps))


def read_filter(text: str) -> Filter:
    """Makes a filter of how it is written; one that asks a model is made by the harness.

    Raises:
        UnknownNameError: There is no such filter.
        UsageError: It has a threshold that it cannot have, or has none.
    """
    name, compares, value = "".join(text.split()).partition(">=")
    if name == "return" and compares:
        return ReturnFilter(text, None if value == "median" else _number(text, value))
    if name == "agreement" and compares:
        return AgreementFilter(text, _share(text, value))
    if name == "distinct":
        return DistinctFilter(text, _share(text, value) if compares else 0.0)
    if name == "legal" and not compares:
        return LegalFilter()
    if name.partition(":")[0] not in NAMES:
        raise UnknownNameError("filter", name, NAMES)
    raise _wrong(text)


def sift(
    proposals: Sequence[Proposal], filters: Sequence[Filter], ground: Ground
) -> tuple[tuple[Proposal, ...], tuple[Sifted, ...]]:
    """Applies filters one after the other.

    Returns:
        What all of them kept, and what each did.

    Raises:
        PoolError: There was nothing to filter.
        NothingKeptError: A filter kept nothing.
    """
    left, done = tuple(proposals), list[Sifted]()
    if not left:
        raise PoolError(f"no episode of {ground.task.name} was proposed")
    for one in filters:
        outcome = one.sift(left, ground)
        if not outcome.kept:
            raise NothingKeptError(
                f"the filter {one.text!r} keeps none of the {len(left)} episodes of "
                f"{ground.task.name} that came to it{_asked(outcome)}: {outcome.found}"
            )
        dropped = len(left) - len(outcome.kept)
        text = f"{one.text}, {outcome.how}" if outcome.how else one.text
        done.append(Sifted(filter=text, threshold=outcome.threshold, dropped=dropped))
        left = outcome.kept
    return left, tuple(done)


def _asked(outcome: Outcome) -> str:
    return "" if outcome.threshold is None else f" at a threshold of {outcome.threshold:g}"


def _number(text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _wrong(text)
    return number


def _share(text: str, value: str) -> float:
    number = _number(text, value)
    if not 0 <= number <= 1:
        raise _wrong(text)
    return number


def _wrong(text: str) -> UsageError:
    return UsageError(
        f"filter {text!r}: expected return>=X, return>=median, legal, agreement>=P, distinct, "
        "distinct>=S (X a number, P and S from 0 to 1) or likert:AGENT[:prompts=K]"
    )
