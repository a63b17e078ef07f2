"""The result of a synthesis: a pool like any other, whose card says how it came about."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.prompt_builders.synthesis.filters import Filter, Ground, sift
from icil.prompt_builders.synthesis.proposal import Proposed
from icil.tasks import Demonstration, Pool, Task
from icil.tasks.pools import Origin, Synthesis, make_pool

MARK = "s"
"""What the ids of synthetic demonstrations begin with."""


def make_synthetic_pool(
    task: Task[Any],
    real: Pool,
    proposed: Proposed,
    filters: Sequence[Filter],
    *,
    add: bool,
    tell: Telling = in_silence,
) -> Pool:
    """Makes a pool of what filters keep of what was proposed.

    Args:
        task: The task.
        real: Its real demonstrations, which proposals are held against.
        proposed: What was played.
        filters: What is applied, in this order.
        add: Whether the pool holds the real ones too, before the others.
        tell: Is told what takes long.

    Raises:
        PoolError: A filter kept nothing.
        UsageError: A filter makes no sense for this task.
    """
    ground = Ground(task=task, pool=real, tell=tell)
    kept, sifted = sift(proposed.episodes, filters, ground)
    made = tuple(_marked(one.demonstration) for one in kept)
    card = real.card
    origin = Origin(
        expert=proposed.proposer, expert_settings=proposed.settings, licence=card.licence
    )
    if add:
        made = (*real.demonstrations, *made)
        origin = replace(
            origin, expert=card.expert, expert_settings=card.expert_settings, source=card.source
        )
    pool = make_pool(task, made, origin=origin)
    synthesis = Synthesis(
        proposer=proposed.proposer,
        settings=dict(proposed.settings),
        demonstrations=proposed.demonstrations,
        pool=real.hash,
        generated=len(proposed.episodes),
        wrong=sum(one.wrong > 0 for one in proposed.episodes),
        filters=sifted,
        kept=len(kept),
        added_to=real.hash if add else None,
    )
    return replace(pool, card=pool.card.model_copy(update={"synthesis": synthesis}))


def _marked(demonstration: Demonstration) -> Demonstration:
    return replace(demonstration, id=f"{MARK}{demonstration.opening.index:05d}")
