"""How demonstrations are seen: their vectors, and how similar they are to what is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders import embeddings
from icil.prompt_builders.embeddings.embedding import Embedding
from icil.prompt_builders.embeddings.index import Index, Located, Numbers, cosines, find_index
from icil.prompt_builders.embeddings.space import PARTS, Space, space_for
from icil.prompt_builders.embeddings.states import Match, StateIndex, find_states
from icil.prompt_builders.selectors.options import one_of
from icil.prompt_builders.selectors.selector import Query
from icil.tasks import Demonstration, Observation, Opening, Pool, Task

AUTO = "auto"
"""The embedding that suits the format."""


class Pick(NamedTuple):
    """A demonstration that was chosen."""

    number: int
    """In the offer."""
    reason: str


class View:
    """Which embedding is used, and of what.

    Args:
        embedding: One, or its name, or `auto`; see `icil.prompt_builders.embeddings`.
        of: What stands for a demonstration: its `opening`, or the whole `episode`.

    Raises:
        UsageError: There is no such embedding or part.
    """

    def __init__(self, embedding: str | Embedding = AUTO, of: str = "opening") -> None:
        self._name = embedding if isinstance(embedding, str) else embedding.name
        self._of = one_of("part of a demonstration (of=)", of, PARTS)
        if isinstance(embedding, Embedding):
            self._embedding: Embedding | None = embedding
        else:
            if ":" not in embedding:
                one_of("embedding", embedding, (*embeddings.names(), AUTO))
            self._embedding = None if embedding == AUTO else embeddings.make(embedding)

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides what is seen, as JSON."""
        return {"embedding": self._name, "of": self._of}

    def space(self, query: Query) -> Space:
        """Returns what is compared for a query."""
        return space_for(query.task, query.format, query.opening, self._embedding, self._of)

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that the embedding takes what a format shows.

        Raises:
            UsageError: It does not.
        """
        first = pool.demonstrations[0]
        space = space_for(task, format, first.opening, self._embedding, "opening")
        space.embed_demonstrations([first])

    def offer(self, pool: Pool, query: Query) -> "Offer":
        """Returns the demonstrations that are offered for an episode; may take long.

        Raises:
            PoolError: A demonstration does not replay.
            UsageError: The embedding cannot take what the format shows, or gave NaN.
        """
        index = find_index(pool, self.space(query))
        return Offer(pool, *index.find(pool), query.state, index)

    def offer_states(self, pool: Pool, query: Query) -> "StateOffer":
        """Returns the same, each demonstration with all its states; otherwise as `offer`."""
        index = find_states(pool, self.space(query))
        return StateOffer(pool, *index.find(pool), query.state, index)


@dataclass(frozen=True, eq=False)
class Offered:
    """The demonstrations offered for an episode, numbered in the order of their ids."""

    pool: Pool
    rows: NDArray[np.intp]
    """Of the index."""
    places: NDArray[np.intp]
    """In the pool."""
    asked: Opening | Observation
    """What they are compared with."""

    def __len__(self) -> int:
        return len(self.rows)

    def demonstrations(self, numbers: Sequence[int]) -> tuple[Demonstration, ...]:
        """Returns some of them."""
        return tuple(self.pool.demonstrations[self.places[number]] for number in numbers)


@dataclass(frozen=True, eq=False)
class Offer(Offered):
    """Demonstrations of which each is one vector."""

    index: Index

    @cached_property
    def located(self) -> Located:
        """Their vectors."""
        found = self.index.rows
        if len(self) == len(found.vectors):
            return found
        return found.at(self.rows)

    @cached_property
    def similarity(self) -> Numbers:
        """How similar each is to what is asked for, −1 to 1."""
        return cosines(self.index.query(self.asked), self.index.rows)[self.rows]

    def likeness(self, number: int) -> Numbers:
        """Returns how similar each is to one of them, −1 to 1."""
        return cosines(self.located.at(slice(number, number + 1)), self.located)


@dataclass(frozen=True, eq=False)
class StateOffer(Offered):
    """Demonstrations by the state of each that is most like what is asked for."""

    index: StateIndex

    @cached_property
    def _match(self) -> Match:
        return self.index.match(self.asked)

    @cached_property
    def similarity(self) -> Numbers:
        """How similar the nearest state of each is, −1 to 1."""
        return self._match.demonstrations[self.rows]

    def step(self, number: int) -> int:
        """Returns the step of a demonstration in which that state is, from 0."""
        return self.index.step(self._match, int(self.rows[number]))
