"""Which episodes of a cell hang together: those that were shown the same demonstrations.

openings   none do: each has demonstrations of its own, or none
sets       several sets are shared: a set is drawn first, then openings in it
one set    (nearly) all share one: what is found holds for these demonstrations only

"Nearly" is fewer than two effective sets, n² / Σ nᵢ² (Kish 1965). Where a selector's choice does
not depend on the opening, a few episodes still differ, for what shows their opening is kept from
them; that makes no sample of sets.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["openings", "sets", "one set"]

_FEWEST = 2.0
"""Effective sets that can be resampled."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """How the episodes of a cell, or the openings that several cells share, hang together."""

    kind: Kind
    labels: tuple[int, ...]
    """For each episode the number of what it is drawn with; without gaps, by first appearance."""

    @classmethod
    def apart(cls, count: int, kind: Kind = "openings") -> "Clusters":
        """Returns those of episodes that are drawn one by one."""
        return cls(kind, tuple(range(count)))

    @classmethod
    def of(cls, shown: Sequence[Hashable]) -> "Clusters":
        """Returns those of episodes by what stands for their demonstrations; None: none shown."""
        keys = [("none", i) if one is None else one for i, one in enumerate(shown)]
        numbers = {key: n for n, key in enumerate(dict.fromkeys(keys))}
        return _clusters([numbers[key] for key in keys])

    @classmethod
    def joined(cls, *parts: "Clusters") -> "Clusters":
        """Returns those of differences: two hang together if they do in any of the parts.

        Args:
            parts: Clusters of the same openings, in the same order.
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        count = len(parts[0].labels)
        sets = [part for part in parts if part.kind == "sets"]
        if not sets:
            shared = any(part.kind == "one set" for part in parts)
            return cls.apart(count, "one set" if shared else "openings")
        firsts: list[int] = []
        places = np.tile(np.arange(count), len(sets))
        for part in sets:
            first: dict[int, int] = {}
            firsts += [first.setdefault(label, i) for i, label in enumerate(part.labels)]
        edges = (np.ones(len(firsts)), (places, np.array(firsts)))
        _, found = connected_components(coo_matrix(edges, shape=(count, count)), directed=False)
        return cls.of(found.tolist())

    @property
    def count(self) -> int:
        """How many can be drawn independently of each other."""
        return max(self.labels, default=-1) + 1


def _clusters(labels: Sequence[int]) -> Clusters:
    sizes = np.bincount(labels) if labels else np.zeros(0)
    if (sizes <= 1).all():
        return Clusters.apart(len(labels))
    if len(labels) ** 2 / float((sizes**2).sum()) < _FEWEST:
        return Clusters.apart(len(labels), "one set")
    return Clusters("sets", tuple(labels))
