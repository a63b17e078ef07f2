"""How unpredictable a demonstration's actions are, for whoever knows the other episodes.

The mean surprisal (Shannon 1948) of its actions, in bits, under a model that is shown all the
pool but that episode: of the 8 nearest states, how many went on with this action, mixed 3 : 1
with how often the action occurs at all. So kNN-LM (Khandelwal et al., arXiv 1911.00172) mixes
neighbours with a model; the neighbours' shares are those of Fix & Hodges (1951). Ties share
alike. At most 2048 states, evenly spaced over the pool, serve as neighbours.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.prompt_builders.embeddings.embedding import Vectors
from icil.prompt_builders.embeddings.index import Numbers, all_cosines, learn_scale, locate
from icil.prompt_builders.embeddings.kept import in_order, is_whole, keep
from icil.prompt_builders.embeddings.memo import Memo
from icil.prompt_builders.embeddings.space import Space
from icil.tasks import Demonstration, Pool, PoolError

_NEIGHBOURS = 8
_TRUST = 0.75
"""The weight of the neighbours against the frequency."""
_MOST = 2048
"""States that serve as neighbours."""
_CHUNK = 512
"""States that are looked at at a time."""
_UNIQUE = 0.9
"""Where more of the actions than this occur once, nothing can be foretold."""

_KNOWN: Memo[Hashable, dict[str, float]] = Memo(256)


def surprises(pool: Pool, space: Space) -> Numbers:
    """Returns the mean surprisal of each demonstration's actions in bits, in the pool's order.

    Made once per pool and space, and kept in the cache; may take long.

    Raises:
        PoolError: Hardly any action occurs twice, or a demonstration does not replay.
        UsageError: The embedding cannot take what the format shows.
    """
    offered, pool = pool, pool.part_of or pool
    part = None if is_whole(pool) else frozenset(one.id for one in pool.demonstrations)

    def make() -> dict[str, float]:
        demonstrations = in_order(pool)
        found = keep("surprise", pool, space, lambda: _measure(demonstrations, space))
        return dict(zip((one.id for one in demonstrations), map(float, found), strict=True))

    known = _KNOWN.get((pool.hash, part, space.key), make)
    return np.array([known[one.id] for one in offered.demonstrations])


def _measure(demonstrations: Sequence[Demonstration], space: Space) -> Vectors:
    check_actions(demonstrations)
    actions = [step.action for one in demonstrations for step in one.steps]
    raw = np.concatenate([space.embed_states(one) for one in demonstrations])
    vectors = learn_scale(raw, space.embedding.weighting).apply(raw)
    episodes = np.repeat(np.arange(len(demonstrations)), [len(d.steps) for d in demonstrations])
    number = {action: i for i, action in enumerate(sorted(set(actions)))}
    states = States(vectors, np.array([number[a] for a in actions]), episodes)
    shares = _TRUST * neighbour_shares(states) + (1 - _TRUST) * frequencies(states)
    sums = np.bincount(episodes, -np.log2(shares))
    return np.asarray(sums / np.bincount(episodes), np.float32)


def check_actions(demonstrations: Sequence[Demonstration]) -> None:
    """Checks that actions occur again, as numbers with many digits do not.

    Raises:
        PoolError: Hardly any does.
    """
    counts = Counter(step.action for one in demonstrations for step in one.steps)
    once, total = sum(count == 1 for count in counts.values()), counts.total()
    if once > _UNIQUE * total:
        raise PoolError(
            f"how surprising actions are cannot be measured: {once} of the pool's {total} occur "
            "once; take by=length, by=return or a file of scores"
        )


class States(NamedTuple):
    """The steps of some episodes, one after the other."""

    vectors: Vectors
    """Whole numbers; see `Scale.apply`."""
    actions: NDArray[np.intp]
    """From 0, without gaps."""
    episodes: NDArray[np.intp]
    """From 0, without gaps."""


def frequencies(states: States) -> Numbers:
    """Returns how often each step's action occurs in the other episodes, as a share above 0.

    One occurrence is added, spread over all actions.
    """
    count = int(states.actions.max()) + 1
    everywhere = np.bincount(states.actions, minlength=count)
    lengths = np.bincount(states.episodes)
    pairs = states.episodes * count + states.actions
    _, inverse, own = np.unique(pairs, return_inverse=True, return_counts=True)
    others = everywhere[states.actions] - own[inverse]
    total = len(states.actions) - lengths[states.episodes]
    return np.asarray((others + 1 / count) / (total + 1), np.float64)


def neighbour_shares(states: States) -> Numbers:
    """Returns which share of each step's nearest states in other episodes took its action."""
    located = locate(states.vectors)
    places = np.unique(np.linspace(0, len(states.actions) - 1, _MOST).astype(np.intp))
    known = located.at(places)
    made: list[Numbers] = []
    for start in range(0, len(states.actions), _CHUNK):
        part = slice(start, start + _CHUNK)
        cosines = all_cosines(located.at(part), known)
        cosines[states.episodes[part, None] == states.episodes[places]] = -np.inf
        same = states.actions[part, None] == states.actions[places]
        made.append(_shares(cosines, same))
    return np.concatenate(made)


def _shares(cosines: Numbers, same: NDArray[np.bool_]) -> Numbers:
    """Returns, for each row, the share of its nearest that are marked; 0 where it has none."""
    count = min(_NEIGHBOURS, cosines.shape[1])
    bar = np.partition(cosines, -count, axis=1)[:, -count, None]
    bar = np.maximum(bar, -2)  # other episodes may have fewer states than that
    above, at = cosines > bar, cosines == bar
    left = np.maximum(count - above.sum(axis=1), 0)
    ties = at.sum(axis=1)
    weight = np.divide(left, ties, out=np.zeros(len(ties)), where=ties > 0)
    wanted = (above & same).sum(axis=1) + weight * (at & same).sum(axis=1)
    found = above.sum(axis=1) + weight * ties
    return np.asarray(np.divide(wanted, found, out=np.zeros(len(found)), where=found > 0))
