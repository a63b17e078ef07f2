"""What the episodes of a cell start from: openings, and the demonstrations kept from each."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from icil.harness.planning.cells import Cell, TaskPlan
from icil.harness.planning.experiment import Experiment
from icil.harness.planning.leaks import Guard, Leak, Leaked
from icil.prompt_builders.selectors.selector import Telling, in_silence
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
    """Ids of demonstrations that are not offered: they would show the opening, or another one of
    the same set, or are what is played again."""
    forced: Demonstration | None = None
    """The demonstration that is played again, in a teacher-forced run."""
    set: int | None = None
    """Which demonstration set it belongs to; None where each episode has its own."""
    first: Opening | None = None
    """The first opening of that set, for which its demonstrations are chosen."""
    leak: Leak = Leak()
    """What shows the opening."""
    guarded: frozenset[str] = frozenset()
    """Digests of states that no demonstration may pass through, those of a control included."""

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
    sets = cell.demo_sets
    if sets is None or not cell.shows:
        for opening, hidden, leak in zip(plan.openings, plan.hidden, plan.leaks, strict=True):
            guarded = _guarded(experiment, [leak])
            yield Start(opening.index, opening, hidden, leak=leak, guarded=guarded)
        return
    for number in range(min(sets, len(plan.openings))):
        members, leaks = plan.openings[number::sets], plan.leaks[number::sets]
        hidden = frozenset[str]().union(*plan.hidden[number::sets])
        first, guarded = members[0], _guarded(experiment, leaks)
        for opening, leak in zip(members, leaks, strict=True):
            yield Start(
                opening.index,
                opening,
                hidden,
                set=number,
                first=first,
                leak=leak,
                guarded=guarded,
            )


def _guarded(experiment: Experiment, leaks: Iterable[Leak]) -> frozenset[str]:
    if experiment.leaks == "allow":
        return frozenset()
    return frozenset[str]().union(*(leak.guarded for leak in leaks))


def _forced(experiment: Experiment, plan: TaskPlan) -> Iterator[Start]:
    """Yields demonstrations drawn from the pool."""
    assert plan.pool is not None
    drawn = _drawn(experiment, plan)
    for index, leak in zip(drawn, plan.leaks, strict=True):
        again = plan.pool.demonstrations[index]
        hidden = frozenset({again.id})
        if experiment.held_out:
            hidden |= leak.ids
        yield Start(index, again.opening, hidden, forced=again, leak=leak)


def _drawn(experiment: Experiment, plan: TaskPlan) -> list[int]:
    """Returns the places of the demonstrations that are played again."""
    task, pool = plan.task, plan.pool
    assert pool is not None
    rng = generator("teacher-forced", experiment.seed, task.name, task.version)
    return [int(i) for i in rng.permutation(len(pool.demonstrations))[: experiment.episodes]]


def with_openings(
    experiment: Experiment,
    plan: TaskPlan,
    played: OpeningRange = EVALUATION,
    tell: Telling = in_silence,
) -> TaskPlan:
    """Returns a task with the openings that are played, and what must not be shown for each.

    May take long where it is not known what is near to them.

    Args:
        experiment: The experiment.
        plan: The task.
        played: Which openings.
        tell: Is told how far it is.

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
    leaks = tuple(_leaks(experiment, plan, openings, tell))
    allowed = experiment.leaks == "allow"
    hidden = tuple(frozenset() if allowed else leak.ids for leak in leaks[: len(openings)])
    if pool is not None:
        lost = Leaked()
        if not allowed and openings:
            lost = max((_lost(leaks, sets) for sets in experiment.each("demo_sets")), key=sum)
        _check_supply(task.name, most, len(pool.demonstrations), lost)
    return plan.with_openings(tuple(openings), hidden, leaks)


def _leaks(
    experiment: Experiment, plan: TaskPlan, openings: Sequence[Opening], tell: Telling
) -> Iterator[Leak]:
    """Yields what shows each opening, or each demonstration that is played again."""
    task, pool = plan.task, plan.pool
    if pool is None or not (any(experiment.demos) or experiment.context_tokens):
        yield from (Leak() for _ in openings)
        return
    guard = Guard(task, pool, tell)
    if experiment.teacher_forced:
        for index in _drawn(experiment, plan):
            yield guard.of_demonstration(pool.demonstrations[index])
        return
    with closing(task.make_env()) as env:
        for opening in openings:
            task.reset(env, opening)
            yield guard.of_opening(opening, env)


def _lost(leaks: Sequence[Leak], sets: int | None) -> Leaked:
    """Returns how many demonstrations are kept from the episode, or set of them, that has least."""
    count = sets or len(leaks)
    kept = (leaks[i::count] for i in range(count))
    return max(map(_together, kept), key=sum, default=Leaked())


def _together(leaks: Iterable[Leak]) -> Leaked:
    exact, ids = frozenset[str](), frozenset[str]()
    for leak in leaks:
        exact, ids = exact | leak.exact, ids | leak.ids
    return Leaked(len(exact), len(ids - exact))


def _check_supply(task: str, most: int, total: int, lost: Leaked) -> None:
    left = total - sum(lost)
    if most > left:
        kept = (
            f", of which {left} never show an evaluated opening ({lost.exact} pass through one, "
            f"{lost.near} through a near duplicate of one; --leaks allow shows those too)"
        )
        raise PoolError(
            f"{most} demonstrations of {task} were asked for; its pool has {total}"
            f"{kept if left < total else ''}"
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
