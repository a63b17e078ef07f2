"""Openings: the starting states of episodes, in two disjoint splits.

A task's openings are a function of its name and version alone, never of an experiment's
seed: opening 17 of the evaluation split is the same state in everybody's run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from icil.tasks.errors import OpeningsError
from icil.tasks.seeding import generator, seed

Split = Literal["demonstration", "evaluation"]

State = Mapping[str, Any]
"""What `Env.reset` needs to start here; JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One starting state.

    What is random after the start (an opponent, sticky actions) is seeded by `state` too,
    so that an opening and a list of actions give the same episode each time, wherever the
    world can be simulated exactly.
    """

    split: Split
    index: int
    """Its place in the split, from 0."""
    state: State


@runtime_checkable
class OpeningSource(Protocol):
    """The openings of one split."""

    split: Split
    distinct: int | None
    """How many different starting states there are; None when practically unlimited."""

    def __getitem__(self, index: int) -> Opening:
        """Returns an opening.

        Raises:
            OpeningsError: The split has fewer openings than that.
        """
        ...


class EnumeratedOpenings:
    """A split of a state space small enough to list.

    The states are shuffled once per task and version; the first half is for evaluation, the
    second for demonstrations. Evaluation openings are all different. Demonstration openings
    start over when they run out, with new chances (`chance_seed`) each time round.

    Args:
        task: The task's name.
        version: The task's version.
        split: Which half.
        states: Every starting state, in any fixed order.
    """

    def __init__(self, task: str, version: int, split: Split, states: Sequence[State]) -> None:
        self.split = split
        self._identity = (task, version)
        order = generator("openings", task, version).permutation(len(states))
        half = len(states) // 2
        chosen = order[:half] if split == "evaluation" else order[half:]
        self._states = [states[i] for i in chosen]
        self.distinct: int | None = len(self._states)

    def __getitem__(self, index: int) -> Opening:
        """Returns an opening; see the class.

        Raises:
            OpeningsError: The split has fewer openings than that.
        """
        count = len(self._states)
        if index < 0 or (index >= count and self.split == "evaluation"):
            task, _ = self._identity
            raise OpeningsError(
                f"{task} has {count} {self.split} openings; number {index} is not among them"
            )
        state = dict(self._states[index % count])
        state["chance_seed"] = seed("chance", *self._identity, self.split, index)
        return Opening(split=self.split, index=index, state=state)


class SeededOpenings:
    """A split of a world whose starting states are practically unlimited: seeds.

    Args:
        task: The task's name.
        version: The task's version.
        split: Which split; the two have no seed in common.
    """

    distinct: int | None = None

    def __init__(self, task: str, version: int, split: Split) -> None:
        self.split = split
        self._identity = (task, version)

    def __getitem__(self, index: int) -> Opening:
        """Returns an opening.

        Raises:
            OpeningsError: The index is negative.
        """
        if index < 0:
            raise OpeningsError(f"{self._identity[0]} has no {self.split} opening number {index}")
        return Opening(split=self.split, index=index, state=self._state(index))

    def _state(self, index: int) -> State:
        """Returns `{"seed": …}`; a world that has states of its own derives them here."""
        drawn = seed("opening", *self._identity, self.split, index) >> 1
        number = (drawn & ~1) | (self.split == "evaluation")  # the lowest bit is the split's
        return {"seed": number}


def take(source: OpeningSource, count: int, first: int = 0) -> Iterator[Opening]:
    """Yields `count` openings of a split, from the first, or from another one, on."""
    return (source[i] for i in range(first, first + count))
