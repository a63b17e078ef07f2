"""Predictability: how well the plainest imitator foretells a pool's expert.

The agent `nearest` is shown the first demonstrations of the pool and asked, at every step of the
last ones, for the action; they are held out, and go on as the expert played them. As in a run, a
demonstration that passes through the opening of the episode is not shown. Beside its share of
right answers stands that of always naming the action which is commonest among those shown.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from icil.harness.agents.agent import EpisodeContext, Turn
from icil.harness.agents.nearest import NearestAgent
from icil.prompt_builders import PromptOptions
from icil.tasks import Demonstration, Pool, PoolError, Task, replay
from icil.tasks.pools import Predictability, read_card, save_card
from icil.tasks.seeding import generator

_DECIMALS = 4


def measure_predictability(
    task: Task[Any],
    pool: Pool,
    *,
    format: str | None = None,
    shown: int | None = None,
    held_out: int | None = None,
) -> Predictability:
    """Measures how well `nearest` foretells the expert of a pool.

    Where actions are numbers, of which no two are alike, the shares say nothing.

    Args:
        task: The pool's task.
        pool: The demonstrations, of which the first are shown and the last held out.
        format: What the agent looks at; None for the task's first format.
        shown: How many demonstrations it is shown, 1 or more; None for all the others.
        held_out: How many it foretells, 1 or more; None for a quarter of the pool.

    Raises:
        UnknownNameError: The task has no such format.
        PoolError: The pool has too few demonstrations, or one does not replay.
    """
    format = format or task.formats[0]
    task.check_format(format)
    demonstrations = pool.demonstrations
    held_out = len(demonstrations) // 4 if held_out is None else held_out
    shown = len(demonstrations) - held_out if shown is None else shown
    if shown < 1 or held_out < 1 or shown + held_out > len(demonstrations):
        raise PoolError(
            f"{shown} demonstrations to show and {held_out} to hold out were asked for, 1 or more "
            f"of each; the pool of {task.name} has {len(demonstrations)}"
        )
    first, last = demonstrations[:shown], demonstrations[-held_out:]
    counts = Counter(step.action for demonstration in first for step in demonstration.steps)
    commonest = counts.most_common(1)[0][0]
    right = asyncio.run(_count_right(task, format, pool, first, last))
    actions = [step.action for demonstration in last for step in demonstration.steps]
    return Predictability(
        format=format,
        shown=shown,
        held_out=held_out,
        nearest=round(right / len(actions), _DECIMALS),
        commonest=round(actions.count(commonest) / len(actions), _DECIMALS),
    )


def record_predictability(found: Predictability, folder: Path) -> None:
    """Writes a measurement into the card of the pool that it was made of.

    Raises:
        PoolError: There is no pool, or its card is damaged or cannot be written.
    """
    save_card(read_card(folder).model_copy(update={"predictability": found}), folder)


async def _count_right(
    task: Task[Any],
    format: str,
    pool: Pool,
    first: Sequence[Demonstration],
    last: Sequence[Demonstration],
) -> int:
    """Returns in how many steps of the last demonstrations `nearest` did as the expert."""
    agent, right = NearestAgent(), 0
    for demonstration in last:
        passing = pool.passing[demonstration.steps[0].state]
        episode = EpisodeContext(
            task=task,
            format=format,
            opening=demonstration.opening,
            demonstrations=tuple(d for d in first if d.id not in passing),
            options=PromptOptions(),
            generator=partial(generator, "predictability", task.name, demonstration.id),
        )
        await agent.begin(episode)
        with closing(replay(task, demonstration)) as steps:
            for step, (env, action) in enumerate(steps):
                turn = Turn(
                    episode=episode,
                    step=step,
                    env=env,
                    observation=task.observe(env, format),
                    prompt=None,
                )
                said = task.parse((await agent.act(turn)).text, env).action
                right += said is not None and said == task.parse(action, env).action
        await agent.end(episode)
    return right
