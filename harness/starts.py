"""What the episodes of a cell start from: openings, and the demonstrations kept from each."""

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from icil.harness.cells import Cell, TaskPlan
from icil.harness.experiment import Experiment
from icil.tasks import Demonstration, Opening, OpeningsError, PoolError, Split
from icil.tasks.openings import take
from icil.tasks.seeding import generator


class OpeningRange(NamedTuple):
    """Which openings a run plays."""

    split: Split = "evaluation"
    first: int = 0
    """The index of the first."""


EVALUATION = OpeningRange()
"""Those of all runs whose scores count."""


class Start(NamedTuple):
    """What one episode starts from."""

    number: int
    """The opening's index; in a teacher-forced run, the demonstration's place in the pool."""
    opening: Opening
    hidden: frozenset[str] = frozenset()
    """Ids of demonstrations that would show the opening, or another one of the same set."""
    forced: Demonstration | None = None
    """The demonstration that is played again, in a teacher-forced run."""
    set: int | None = None
    """Which demonstration set it belongs to; None where each episode has its own."""
    first: Opening | None = None
    """The first opening of that set, for which its demonstrations are chosen."""

    @property
    def query(self) -> Opening:
        """The opening for which demonstrations are chosen."""
        return self.first or self.opening


def make_starts(experiment: Experiment, cell: Cell) -> Iterator[Start]:
    """Yields what a cell's episodes start from, in the order in which they are to be played.

    Those that share their demonstrations, and so the prefix of their prompts, follow each
    other: what a provider caches of it is used while it lasts.
    """
    plan = cell.task
    if experiment.teacher_forced:
        yield from _forced(experiment, plan)
        return
    sets = experiment.demo_sets
    if sets is None or not cell.shows:
        for opening, hidden in zip(plan.openings, plan.hidden, strict=True):
            yield Start(opening.index, opening, hidden)
        return
    for number in range(min(sets, len(plan.openings))):
        members = plan.openings[number::sets]
        hidden = frozenset[str]().union(*plan.hidden[number::sets])
        for opening in members:
            yield Start(opening.index, opening, hidden, set=number, first=members[0])


def _forced(experiment: Experiment, plan: TaskPlan) -> Iterator[Start]:
    """Yields demonstrations drawn from the pool."""
    assert plan.pool is not None
    task, shown = plan.task, plan.pool.demonstrations
    rng = generator("teacher-forced", experiment.seed, task.name, task.version)
    for index in map(int, rng.permutation(len(shown))[: experiment.episodes]):
        again = shown[index]
        yield Start(index, again.opening, frozenset({again.id}), forced=again)


def with_openings(
    experiment: Experiment, plan: TaskPlan, played: OpeningRange = EVALUATION
) -> TaskPlan:
    """Returns a task with the openings that are played, and what must not be shown for each.

    Raises:
        OpeningsError: It has too few openings.
        PoolError: Its pool has too few demonstrations for some episode.
    """
    task, pool, most = plan.task, plan.pool, max(experiment.demos, default=0)
    if experiment.teacher_forced:
        if pool and experiment.episodes > len(pool.demonstrations):
            raise PoolError(
                f"{experiment.episodes} teacher-forced episodes of {task.name} were asked for; "
                f"its pool has {len(pool.demonstrations)} demonstrations"
            )
        openings: list[Opening] = []
    else:
        openings = _openings(plan, experiment.episodes, played)
    hidden = [frozenset[str]()] * len(openings)
    if pool is not None and (most or experiment.context_tokens):
        with closing(task.make_env()) as env:
            for number, opening in enumerate(openings):
                task.reset(env, opening)
                hidden[number] = plan.showing(env)
        sets = experiment.demo_sets or len(openings) or 1
        lost = max(len(frozenset().union(*hidden[i::sets])) for i in range(sets)) if hidden else 0
        _check_supply(task.name, most, len(pool.demonstrations), lost)
    return plan.with_openings(tuple(openings), tuple(hidden))


def _check_supply(task: str, most: int, total: int, lost: int) -> None:
    if most > total - lost:
        kept = f", of which {total - lost} never show an evaluated opening" if lost else ""
        raise PoolError(
            f"{most} demonstrations of {task} were asked for; its pool has {total}{kept}"
        )


def _openings(plan: TaskPlan, episodes: int, played: OpeningRange) -> list[Opening]:
    source = plan.task.openings(played.split)
    try:
        return list(take(source, episodes, played.first))
    except OpeningsError as error:
        if source.distinct is None:
            raise
        raise OpeningsError(
            f"{episodes} episodes of {plan.task.name} were asked for; it has {source.distinct} "
            f"{played.split} openings"
        ) from error
