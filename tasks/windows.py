"""Pools cut into windows: a fixed number of consecutive steps in place of whole episodes."""

from typing import Any

from icil.tasks.demonstrations import windows
from icil.tasks.pools import Origin, Pool, make_pool
from icil.tasks.task import Task


def windowed(task: Task[Any], pool: Pool, length: int) -> Pool:
    """Returns a pool of the windows of a pool's demonstrations, in their order.

    Its card and its hash are its own, so that nothing takes it for the whole episodes.

    Args:
        task: The pool's task.
        pool: Whole episodes.
        length: Steps of a window; the last one of an episode has what is left.
    """
    card = pool.card
    origin = Origin(
        expert=card.expert,
        expert_settings=card.expert_settings,
        licence=card.licence,
        source=card.source,
    )
    cut = (window for whole in pool.demonstrations for window in windows(whole, length))
    return make_pool(task, cut, split=card.split, origin=origin)
